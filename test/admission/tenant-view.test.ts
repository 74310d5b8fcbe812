import { describe, expect, it } from "vitest";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { compilePolicies } from "../../admission/policy-set.ts";
import { GLOBAL, KEY, ORG, TenantView, USER } from "../../admission/tenant-view.ts";
import { KeyQuota } from "../../algorithms/key-census.ts";
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
  return new TenantView(tenant, policies, { hash, shards: SHARDS, budget: new MemoryBudget(2 ** 20) });
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

  it("gives a tenant what the policies say, else a quarter of the memory, and stands for it alone", () => {
    const text = "version: 1\ntenants: { acme: { keysMax: 7 } }\nkeysMax: 9\npolicies: []\n";
    const said = compilePolicies(parsePolicyText(text, "test.yaml"));
    const options = { hash, shards: SHARDS, budget: new MemoryBudget(2 ** 20) };
    expect(["acme", "globex"].map((tenant) => new TenantView(tenant, said, options).keysMax)).toEqual([7, 9]);
    expect(viewOf("acme").keysMax).toBe(2 ** 20 / 4 / 16);
    const tenants = ["acme", "globex", "acm", "e", ""].map((tenant) => viewOf(tenant).quota.tenant);
    expect(new Set(tenants).size).toBe(5);
    expect(tenants).not.toContain(0);
  });

  it("allows for the number of policies that look at one key", () => {
    const { quota, keysMax } = viewOf("acme");
    expect(quota).toEqual(KeyQuota.of(quota.tenant, keysMax, 2));
    expect(quota.markedMax).toBeGreaterThan(KeyQuota.of(quota.tenant, keysMax, 1).markedMax);
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
