import * as fc from "fast-check";
import { expect, it } from "vitest";
import { TIERS } from "../../core/decision.ts";
import { ParlError } from "../../core/errors.ts";
import { encodeId, isIdToken } from "../../core/id.ts";
import { COST_MAX, PackedRequestReader, PackedRequestWriter } from "../../core/packed-request.ts";
import { Prng } from "../../core/prng.ts";
import {
  disfiguredBytes,
  mutatedBytes,
  randomBytes,
  surrounded,
  withoutStackTraces,
} from "./mutated-bytes.ts";
import { itemsRead, requestFrame, type RequestItem } from "./request-frame.ts";

const tokens = fc.string({ minLength: 1, maxLength: 70, unit: "grapheme" }).map((raw) => encodeId(raw));
const items: fc.Arbitrary<RequestItem> = fc.record({
  tier: fc.constantFrom(...TIERS),
  cost: fc.nat(COST_MAX),
  key: fc.oneof(fc.constant(""), tokens),
  user: fc.oneof(fc.constant(""), tokens),
  id: fc.oneof(fc.constant(""), tokens),
});

it("reads what was written, and writes what is documented, over any number of messages", () => {
  const writer = new PackedRequestWriter("check");
  const reader = new PackedRequestReader();
  fc.assert(
    fc.property(fc.array(items, { maxLength: 20 }), fc.nat(2 ** 31), (written, epoch) => {
      for (const { tier, cost, key, user, id } of written) writer.add(tier, cost, key, user, id);
      const frame = writer.take(epoch);
      expect(frame).toEqual(requestFrame(written, { epoch }));
      reader.open(frame);
      expect(itemsRead(reader)).toEqual(written.map((item) => ({ ...item, problem: undefined })));
    }),
    { numRuns: 500 },
  );
});

/** Everything a reader makes of a message, as text to compare; the error where it refuses. */
function readingOf(frame: Uint8Array): string {
  const reader = new PackedRequestReader();
  try {
    reader.open(frame);
  } catch (error) {
    if (!(error instanceof ParlError)) throw error;
    return `${error.code} ${error.message}`;
  }
  const found: string[] = [];
  while (reader.next()) {
    const { tier, cost, keyStart, userStart, idStart, end } = reader;
    if (end > frame.length) throw new Error(`an item ends at ${end} of ${frame.length} bytes`);
    const problem = reader.problem();
    const texts = [
      reader.text(keyStart, userStart),
      reader.text(userStart, idStart),
      reader.text(idStart, end),
    ];
    if (problem === undefined && !texts.every((text) => text === "" || isIdToken(text))) {
      throw new Error(`took ${JSON.stringify(texts)} for tokens`);
    }
    found.push(`${tier} ${cost} ${texts.join(" ")} ${problem?.message}`);
  }
  return found.join("\n");
}

it("reads 35,000 hostile messages without failing, or looking at a byte outside of them", () => {
  const prng = new Prng(20_261_122);
  const lists = fc.sample(fc.array(items, { minLength: 1, maxLength: 6 }), { seed: 1, numRuns: 200 });
  const sound = lists.map((list, at) =>
    requestFrame(list, at % 2 === 0 ? {} : { version: 2, headBytes: 8 + prng.below(9) }),
  );
  let refused = 0;
  for (let run = 0; run < 35_000; run += 1) {
    const frame = sound[run % sound.length]!;
    const hostile = [randomBytes(prng, 80), mutatedBytes(frame, prng), disfiguredBytes(frame, prng)][
      run % 3
    ]!;
    if (run % 6 === 0) hostile.set([1, 0, 8].slice(0, hostile.length));
    const reading = withoutStackTraces(() => readingOf(surrounded(hostile, 0)));
    const again = withoutStackTraces(() => readingOf(surrounded(hostile, 0x61)));
    if (again !== reading) throw new Error(`run ${run} read its surroundings`);
    if (reading.startsWith("PARL_")) refused += 1;
  }
  // Otherwise the mutations would be too coarse to reach the items, or too fine to break anything.
  expect(refused).toBeGreaterThan(10_000);
  expect(refused).toBeLessThan(32_000);
});
