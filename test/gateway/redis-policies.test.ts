import { expect, it } from "vitest";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { PoliciesInForce } from "../../gateway/policies-in-force.ts";
import { RedisPolicies, requireRedisPolicies } from "../../gateway/redis-policies.ts";

const TEXT = `version: 1
tenants: { acme: { plan: gold } }
policies:
  - { name: everybody, dimension: global, algorithm: fixed-window, limit: 9, window: 1s }
  - { name: per-org, dimension: org, match: { plan: gold }, algorithm: gcra, limit: 9, window: 1s }
  - { name: per-key, dimension: key, algorithm: gcra, limit: 9, window: 1s }
  - { name: per-user, dimension: user, match: { tenant: acme }, algorithm: sliding-log, limit: 9, window: 1s }
`;
/** A full bucket is 3 * 10^15 ticks: exact in a shard, not in a script. */
const FINE = "limit: 101, window: 366d";

function asks(tenant: string, user: string, key: string) {
  const { set } = new PoliciesInForce(parsePolicyText(TEXT, "policies.yaml"));
  return new RedisPolicies(set)
    .asksOf(tenant, user, key)
    .map(({ name, dimension, owner }) => [name, dimension, owner]);
}

it("asks about the policies that match the tenant, the finest first, each under its own owner", () => {
  expect(asks("acme", "u1", "alice")).toEqual([
    ["per-user", "user", "acme.user.u1"],
    ["per-key", "key", "acme.key.alice"],
    ["per-org", "org", "acme._org"],
    ["everybody", "global", "_global"],
  ]);
  expect(asks("globex", "u1", "alice").map(([name]) => name)).toEqual(["per-key", "everybody"]);
});

it("leaves out what the check has nobody for", () => {
  expect(asks("acme", "", "alice").map(([name]) => name)).toEqual(["per-key", "per-org", "everybody"]);
  expect(asks("acme", "u1", "").map(([name]) => name)).toEqual(["per-user", "per-org", "everybody"]);
});

it("remembers a tenant, and knows a crowd of them", () => {
  const { set } = new PoliciesInForce(parsePolicyText(TEXT, "policies.yaml"));
  const policies = new RedisPolicies(set);
  for (let i = 0; i < 5_000; i += 1) policies.asksOf(`t${i}`, "", "alice");
  const [first, again] = [policies.asksOf("acme", "", "alice"), policies.asksOf("acme", "", "alice")];
  expect(first.map(({ policy }) => policy)).toEqual(again.map(({ policy }) => policy));
  expect(first).toHaveLength(3);
});

it("names every policy that Redis cannot decide by, and the way out", () => {
  const fine = TEXT.replaceAll("gcra, limit: 9, window: 1s", `gcra, ${FINE}`);
  const document = parsePolicyText(fine, "policies.yaml");
  expect(() => requireRedisPolicies(document, "policies.yaml")).toThrow(
    expect.objectContaining({
      code: "PARL_INVALID_POLICY",
      message: expect.stringMatching(
        /^policies\.yaml has 2 problems:\n {2}policies\[1\]\.limit is not possible .* got "per-org"; limit must be exact in Redis .*\n {2}policies\[2\]\.limit /,
      ) as string,
    }),
  );
  expect(() => requireRedisPolicies(parsePolicyText(TEXT, "policies.yaml"), "policies.yaml")).not.toThrow();
});
