import { describe, expect, it } from "vitest";
import { compilePolicies } from "../../admission/policy-set.ts";
import { GLOBAL, KEY, ORG, TenantView, USER } from "../../admission/tenant-view.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { DIMENSIONS } from "../../core/decision.ts";
import { IdentityHash } from "../../core/half-sip-hash.ts";
import { globalShard, orgShard } from "../../core/key.ts";
import { policiesOf } from "../actors/lone-shard-actor.ts";

const SHARDS = 64;
const hash = new IdentityHash(1, 2);
const policy = (name: string, dimension: string, match = ""): string =>
  `name: ${name}, dimension: ${dimension}, algorithm: gcra, limit: 1, window: 1s${match}`;
const policies = compilePolicies(
  policiesOf(
    policy("a", "global"),
    policy("b", "key"),
    policy("c", "org", ", match: { tenant: globex }"),
    policy("d", "user"),
    policy("e", "key"),
  ),
);

function viewOf(tenant: string): TenantView {
  return new TenantView(tenant, policies, hash, SHARDS, new MemoryBudget(Infinity));
}

describe("TenantView", () => {
  it("has the policies that apply, finest dimension first, then in file order", () => {
    const { policyIndices, dimensions } = viewOf("acme");
    expect([...policyIndices]).toEqual([3, 1, 4, 0]);
    expect([...dimensions]).toEqual([USER, KEY, KEY, GLOBAL]);
    expect([...viewOf("globex").policyIndices]).toEqual([3, 1, 4, 2, 0]);
  });

  it("numbers dimensions as the wire does", () => {
    expect([USER, KEY, ORG, GLOBAL].map((place) => DIMENSIONS[place])).toEqual([
      "user",
      "key",
      "org",
      "global",
    ]);
  });

  it("places a tenant as a whole by its name, and everybody in one place", () => {
    const [acme, globex] = [viewOf("acme"), viewOf("globex")];
    expect([acme.orgShard, globex.orgShard]).toEqual(
      ["acme", "globex"].map((name) => orgShard(name, SHARDS)),
    );
    expect([acme.globalShard, globex.globalShard]).toEqual(Array(2).fill(globalShard(SHARDS)));
    expect([acme.globalHigh, acme.globalLow]).toEqual([globex.globalHigh, globex.globalLow]);
    expect([acme.orgHigh, acme.orgLow]).not.toEqual([globex.orgHigh, globex.orgLow]);
  });

  it("never takes one tenant's key for another's, or for a user, however they are spelt", () => {
    const seen = new Map<string, string>();
    for (const tenant of ["a", "ab", "abc", "4", "4.acme", "acmekey", "acmeuser", "acme", ""]) {
      const view = viewOf(tenant);
      for (const [dimension, identity] of [
        ["key", view.keyHash],
        ["user", view.userHash],
      ] as const) {
        for (const id of ["c", "bc", "key", "user", "keyc", "userc", "_org"]) {
          identity.ofString(id);
          const place = `${identity.high} ${identity.low}`;
          expect(seen.get(place)).toBeUndefined();
          seen.set(place, `${tenant} ${dimension} ${id}`);
        }
      }
    }
  });
});
