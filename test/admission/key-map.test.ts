import * as fc from "fast-check";
import { expect, it } from "vitest";
import { KeyMap } from "../../admission/key-map.ts";

const keys = fc.record({
  policy: fc.nat(3),
  // Either sign, and the two halves that the key table does not tell apart.
  high: fc.constantFrom(-1, 0, 1, 0x7fffffff, -0x80000000, 0x80000000),
  low: fc.constantFrom(0, 1, 0xffff, 0x10001, -1),
});
const steps = fc.array(fc.tuple(fc.constantFrom("set", "delete"), keys), { maxLength: 60 });

function nameOf({ policy, high, low }: { policy: number; high: number; low: number }): string {
  return `${policy} ${high >>> 0 || 1} ${low & 0xffff}`;
}

it("is a map of policy and 48 bits of identity", () => {
  fc.assert(
    fc.property(steps, (history) => {
      const map = new KeyMap<string>();
      const model = new Map<string, string>();
      for (const [index, [verb, key]] of history.entries()) {
        const { policy, high, low } = key;
        expect(map.find(policy, high, low)).toBe(model.get(nameOf(key)));
        if (verb === "set") {
          map.set(policy, high, low, `v${index}`);
          model.set(nameOf(key), `v${index}`);
        } else {
          map.delete(policy, high, low);
          model.delete(nameOf(key));
        }
        expect(map.size).toBe(model.size);
        expect([...map.values()].toSorted()).toEqual([...model.values()].toSorted());
      }
    }),
  );
});

it("moves entries with their policy and names those whose policy is gone", () => {
  const map = new KeyMap<string>();
  for (const policy of [0, 1, 2]) map.set(policy, 1, 1, `of ${policy}`);
  expect(map.remap((index) => [2, -1, 0][index] as number)).toEqual(["of 1"]);
  expect([0, 1, 2].map((policy) => map.find(policy, 1, 1))).toEqual(["of 2", undefined, "of 0"]);
  expect(map.size).toBe(2);
});
