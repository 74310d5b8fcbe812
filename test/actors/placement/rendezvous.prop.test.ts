import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assignShards, loadMax } from "../../../actors/placement/rendezvous.ts";

const members = fc.uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,32}$/), { minLength: 1, maxLength: 12 });
const shardCounts = fc.integer({ min: 1, max: 128 });

describe("assignShards", () => {
  it("gives every shard to a member, none more than its share", () => {
    fc.assert(
      fc.property(members, shardCounts, (ids, shards) => {
        const assigned = assignShards(ids, shards);
        expect(assigned).toHaveLength(shards);
        for (const id of ids) {
          const load = assigned.filter((owner) => owner === id).length;
          expect(load).toBeLessThanOrEqual(loadMax(ids.length, shards));
        }
        expect(assigned.every((owner) => ids.includes(owner))).toBe(true);
      }),
    );
  });

  it("does not depend on the order in which members are known", () => {
    fc.assert(
      fc.property(members, shardCounts, (ids, shards) => {
        expect(assignShards(ids.toReversed(), shards)).toEqual(assignShards(ids, shards));
        expect(assignShards([...ids, ...ids], shards)).toEqual(assignShards(ids, shards));
      }),
    );
  });

  it("moves about a member's share when one comes or goes, not everything", () => {
    for (let n = 2; n <= 8; n += 1) {
      let moved = 0;
      for (let draw = 0; draw < 20; draw += 1) {
        const ids = Array.from({ length: n }, (_, i) => `${draw}-${i}`);
        const before = assignShards(ids, 64);
        const after = assignShards(ids.slice(1), 64);
        moved += before.filter((owner, shard) => owner !== after[shard] && owner !== ids[0]).length;
      }
      // Of those the leaver did not own; the bound on load pushes a few out of place.
      expect(moved / 20).toBeLessThan(64 / 4);
    }
  });

  it("spreads the shards of many members evenly, and leaves them unowned without any", () => {
    expect(assignShards([], 3)).toEqual(["", "", ""]);
    const assigned = assignShards(["eu-1", "eu-2", "eu-3", "eu-4"], 64);
    for (const id of ["eu-1", "eu-2", "eu-3", "eu-4"]) {
      expect(assigned.filter((owner) => owner === id).length).toBeGreaterThan(8);
    }
  });
});
