import { expect, it } from "vitest";
import { checkOwners, type CensusSample } from "../../../sim/faults/owner-check.ts";

/** One census: the epoch of shard 7 as each process told it. */
function census(told: Readonly<Record<string, number>>): CensusSample {
  const members = Object.entries(told).map(([member, epoch]) => ({ member, owned: [{ shard: 7, epoch }] }));
  return { atUs: 0, unowned: 0, members };
}

it("finds nothing in a shard that moves on", () => {
  expect(checkOwners([census({ a: 1 }), census({ a: 1, b: 2 }), census({ b: 2 }), census({ a: 3 })])).toEqual(
    [],
  );
});

it("finds two owners of one epoch, at once or one after the other", () => {
  expect(checkOwners([census({ a: 1, b: 1 })])[0]?.message).toBe("epoch 1 belongs to a and to b");
  expect(checkOwners([census({ a: 1 }), census({ b: 1 })])).toHaveLength(1);
});

it("finds an epoch that falls", () => {
  expect(checkOwners([census({ a: 2 }), census({ b: 1 })])[0]?.message).toBe("its epoch fell from 2 to 1");
});
