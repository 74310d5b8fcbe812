import * as fc from "fast-check";
import { expect, it } from "vitest";
import { SlotArray } from "../../algorithms/slot-array.ts";
import { hashSets, type Hash } from "./hashes.ts";

const VALUE = 2;

const histories = fc.record({
  hashes: hashSets.map((hashes) => hashes.map(({ high, low }) => ({ high: Math.max(1, high), low }))),
  slots: fc.integer({ min: 1, max: 90 }),
  steps: fc.array(
    fc.record({
      kind: fc.constantFrom("insert", "insert", "insert", "remove", "move away"),
      which: fc.nat({ max: 119 }),
    }),
    { maxLength: 150, size: "max" },
  ),
});

it("is a Map in hash order, without a gap before any entry, through insertions, removals and a moving floor", () => {
  fc.assert(
    fc.property(histories, ({ hashes, slots, steps }) => {
      const array = new SlotArray(slots, 1);
      const model = new Map<Hash, number>();
      let lowest = 0;
      for (const [value, { kind, which }] of steps.entries()) {
        const hash = hashes[which % hashes.length] as Hash;
        if (kind === "move away") {
          lowest = moveAway(array, which, model) ?? lowest;
        } else if (hash.high >= lowest) {
          const at = array.find(hash.high, hash.low);
          if (kind === "remove" && at >= 0) {
            array.remove(at);
            model.delete(hash);
          } else if (kind === "insert" && at < 0) {
            const slot = array.insert(hash.high, hash.low);
            if (slot >= 0) {
              expect(array.words[slot + VALUE]).toBe(0);
              array.words[slot + VALUE] = value + 1;
              model.set(hash, value + 1);
            } else {
              expect(isTailFull(array)).toBe(true);
            }
          }
        }
        expect(flaws(array)).toEqual([]);
        expect(array.count).toBe(model.size);
        const reachable = hashes.filter(({ high }) => high >= lowest);
        expect(reachable.map(({ high, low }) => valueAt(array, array.find(high, low)))).toEqual(
          reachable.map((one) => model.get(one)),
        );
      }
    }),
    { numRuns: 300 },
  );
});

it("copies entries into an array of another size, state and all", () => {
  fc.assert(
    fc.property(hashSets, fc.integer({ min: 40, max: 120 }), (hashes, slots) => {
      const source = new SlotArray(90, 3);
      const target = new SlotArray(slots, 3);
      for (const [i, { high, low }] of hashes.entries()) {
        const at = source.insert(Math.max(1, high), low);
        if (at >= 0) source.words.set([(source.words[at + 1] as number) + i, i, i * i, ~i], at + 1);
      }
      const entries: number[][] = [];
      for (let at = 0; at < source.words.length; at += source.stride) {
        if (source.words[at] === 0 || target.adopt(source.words, at) < 0) continue;
        entries.push([...source.words.subarray(at, at + source.stride)]);
      }
      const copies: number[][] = [];
      for (let at = 0; at < target.words.length; at += target.stride) {
        if (target.words[at] !== 0) copies.push([...target.words.subarray(at, at + target.stride)]);
      }
      expect(copies).toEqual(entries);
      expect(flaws(target)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

it("takes the bytes it says it will", () => {
  for (const slots of [1, 8, 600, 100_000]) {
    expect(new SlotArray(slots, 2).words.byteLength).toBe(SlotArray.bytesFor(slots, 2));
  }
});

function valueAt(array: SlotArray, at: number): number | undefined {
  return at < 0 ? undefined : array.words[at + VALUE];
}

/** As a resize does: everything left of some entry now lives elsewhere, but equal hashes stay together. */
function moveAway(array: SlotArray, which: number, model: Map<Hash, number>): number | undefined {
  const { words, stride } = array;
  let passed = 0;
  let last = 0;
  for (let at = array.floor; at < words.length; at += stride) {
    const high = words[at] as number;
    if (high === 0) continue;
    if (passed >= which % 8 && high !== last) {
      array.floor = at;
      array.count -= passed;
      for (const hash of model.keys()) if (hash.high < high) model.delete(hash);
      return high;
    }
    passed += 1;
    last = high;
  }
  return undefined;
}

function isTailFull({ words, stride }: SlotArray): boolean {
  return words[words.length - stride] !== 0;
}

/** Where the invariant is broken: hashes out of order, or an empty slot between an entry and its home. */
function flaws({ words, stride, slots, floor }: SlotArray): string[] {
  const found: string[] = [];
  let previous = 0;
  let gapEnd = floor;
  for (let at = floor; at < words.length; at += stride) {
    const high = words[at] as number;
    if (high === 0) {
      gapEnd = at + stride;
      continue;
    }
    const home = Number((BigInt(high) * BigInt(slots)) >> 32n) * stride;
    if (high < previous) found.push(`${high} after ${previous}`);
    if (home > at) found.push(`${high} lies left of its home`);
    if (gapEnd > floor && home < gapEnd) found.push(`a gap between ${high} and its home`);
    previous = high;
  }
  return found;
}
