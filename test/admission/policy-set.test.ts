import { describe, expect, it } from "vitest";
import { compilePolicies, type PolicySet } from "../../admission/policy-set.ts";
import { parsePolicyText } from "../../actors/policy-text.ts";

const SET = compilePolicies(
  parsePolicyText(
    `
version: 1
tenants: { acme: { plan: gold }, globex: { plan: gold } }
policies:
  - { name: everybody, dimension: key, algorithm: gcra, limit: 1, window: 1s }
  - { name: acme, match: { tenant: acme }, dimension: key, algorithm: gcra, limit: 1, window: 1s, onFailure: local }
  - { name: gold, match: { plan: gold }, dimension: key, algorithm: gcra, limit: 1, window: 1s }
  - { name: some, match: { tenant: [bob, globex] }, dimension: org, algorithm: gcra, limit: 1, window: 1s, onFailure: deny }
`,
    "test.yaml",
  ),
);

function named(set: PolicySet, tenant: string): string[] {
  return set.matching(tenant).map((index) => set.policies[index]?.name ?? "none");
}

describe("PolicySet", () => {
  it.each([
    ["acme", ["everybody", "acme", "gold"]],
    ["globex", ["everybody", "gold", "some"]],
    ["bob", ["everybody", "some"]],
    ["gold", ["everybody"]],
    ["acm", ["everybody"]],
    ["__proto__", ["everybody"]],
    ["constructor", ["everybody"]],
    ["", ["everybody"]],
  ])("applies to %s, in file order: %j", (tenant, policies) => {
    expect(named(SET, tenant)).toEqual(policies);
  });

  it("takes the strictest wish of a tenant's policies when no shard can answer", () => {
    const gentler = compilePolicies({ policies: SET.policies.slice(0, 2), plans: new Map() });
    expect([SET.failureMode("bob"), gentler.failureMode("acme"), gentler.failureMode("bob")]).toEqual([
      "deny",
      "local",
      "allow",
    ]);
  });

  it("knows how many keys a tenant may hold: its own number, that for everybody, or none", () => {
    const keysMax = { everyTenant: 9, byTenant: new Map([["acme", 7]]) };
    const set = compilePolicies({ policies: [], plans: new Map(), keysMax });
    const some = compilePolicies({ policies: [], plans: new Map(), keysMax: { byTenant: keysMax.byTenant } });
    expect([set, some, SET].map((each) => [each.keysMaxOf("acme"), each.keysMaxOf("bob")])).toEqual([
      [7, 9],
      [7, undefined],
      [undefined, undefined],
    ]);
  });

  it("applies to nobody when there is none", () => {
    const none = compilePolicies({ policies: [], plans: new Map() });
    expect([named(none, "acme"), none.failureMode("acme")]).toEqual([[], "allow"]);
  });
});
