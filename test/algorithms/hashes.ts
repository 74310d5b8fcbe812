/** Hashes no honest hash function would give: all alike, all at one end, in order, at the very edges. */
import * as fc from "fast-check";

export interface Hash {
  readonly high: number;
  readonly low: number;
}

const HIGHEST = 2 ** 32 - 1;

const highs = fc.oneof(
  fc.constantFrom(0, 1, 2, 2 ** 31, HIGHEST - 1, HIGHEST),
  fc.integer({ min: 0, max: 20 }),
  fc.integer({ min: 0, max: 20 }).map((below) => HIGHEST - below),
  fc.integer({ min: 0, max: HIGHEST }),
);

/** What a table tells keys apart by: 0 marks an empty slot and is kept as 1, and 16 bits of `low` are stored. */
function identity({ high, low }: Hash): string {
  return `${Math.max(1, high)}/${low % 2 ** 16}`;
}

const many = fc.oneof(
  fc.array(fc.record({ high: highs, low: fc.nat({ max: 3 }) }), {
    minLength: 1,
    maxLength: 120,
    size: "max",
  }),
  fc.array(fc.record({ high: fc.integer({ min: 0, max: HIGHEST }), low: fc.constant(0) }), {
    minLength: 60,
    maxLength: 120,
    size: "max",
  }),
  fc
    .tuple(highs, fc.integer({ min: 1, max: 45 }))
    .map(([high, size]) => Array.from({ length: size }, (_, low) => ({ high, low: low * 1_021 }))),
);

/** Distinct identities, half of the time in ascending order. */
export const hashSets: fc.Arbitrary<Hash[]> = fc.tuple(many, fc.boolean()).map(([hashes, isSorted]) => {
  const distinct = [...new Map(hashes.map((hash) => [identity(hash), hash])).values()];
  return isSorted ? distinct.toSorted((a, b) => a.high - b.high || a.low - b.low) : distinct;
});
