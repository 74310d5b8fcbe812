import * as fc from "fast-check";
import { expect, it } from "vitest";
import { KeySet } from "../../algorithms/key-set.ts";
import { highOf, lowOf, placeOf } from "../../algorithms/key-table.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { hashSets } from "./hashes.ts";

it("is a set that is read in hash order from any place, while it grows", () => {
  const steps = fc.array(fc.tuple(fc.constantFrom("add", "add", "delete", "read"), fc.nat({ max: 239 })), {
    maxLength: 300,
    size: "max",
  });
  fc.assert(
    fc.property(hashSets, steps, (keys, history) => {
      const set = new KeySet();
      const model = new Set<number>();
      for (const [kind, which] of history) {
        const { high, low } = keys[which % keys.length]!;
        const place = placeOf(high, low);
        if (kind === "add") {
          set.add(high | 0, low | 0xabcd0000);
          model.add(place);
        } else if (kind === "delete") {
          set.delete(high, low);
          model.delete(place);
        } else {
          const first = [...model].filter((each) => each >= place).toSorted((a, b) => a - b)[0];
          expect(set.nextFrom(place)).toBe(first ?? -1);
        }
        expect([set.size, set.has(high, low)]).toEqual([model.size, model.has(place)]);
      }
      const read: number[] = [];
      for (let place = set.nextFrom(0); place >= 0; place = set.nextFrom(place + 1)) read.push(place);
      expect(read).toEqual([...model].toSorted((a, b) => a - b));
      for (const place of read) expect(placeOf(highOf(place), lowOf(place))).toBe(place);
    }),
    { numRuns: 300 },
  );
});

it("is read whole at any moment of its growth", () => {
  const set = new KeySet();
  for (let key = 0; key < 3_000; key += 1) {
    set.add(Math.imul(key, 0x9e3779b1), key);
    if (key % 23 !== 0) continue;
    let read = 0;
    let last = -1;
    for (let place = set.nextFrom(0); place >= 0; place = set.nextFrom(place + 1)) {
      expect(place).toBeGreaterThan(last);
      last = place;
      read += 1;
    }
    expect(read).toBe(set.size);
  }
});

it("takes every key, though the memory budget is spent, and gives all of it back", () => {
  const budget = new MemoryBudget(100);
  const set = new KeySet(budget);
  for (let key = 0; key < 1_000; key += 1) set.add(key * 4_000_037, key);
  expect(set.size).toBe(1_000);
  expect(budget.bytesUsed).toBeGreaterThan(8_000);
  set.dispose();
  expect(budget.bytesUsed).toBe(0);
});
