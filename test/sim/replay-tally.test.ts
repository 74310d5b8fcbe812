import { expect, it } from "vitest";
import { ReplayTally } from "../../sim/replay-tally.ts";

it("says who was limited, when, by which policy and how often", () => {
  const tally = new ReplayTally();
  const add = (
    atUs: number,
    key: string,
    outcome: "allowed" | "denied" | "unsatisfiable",
    policy: string,
  ): void => tally.add({ atUs, tenant: "web", key, outcome, policy });
  add(1, "a", "allowed", "per-key");
  add(2, "a", "denied", "per-key");
  add(3, "b", "denied", "per-tenant");
  add(4, "a", "denied", "per-tenant");
  add(5, "c", "allowed", "per-key");
  add(6, "a", "unsatisfiable", "per-key");

  expect(tally.outcomes).toEqual({ allowed: 2, denied: 3, unsatisfiable: 1 });
  expect(tally.limitedKeys()).toEqual([
    {
      tenant: "web",
      key: "a",
      checks: 4,
      refused: 3,
      firstUs: 2,
      lastUs: 6,
      policies: { "per-key": 2, "per-tenant": 1 },
    },
    { tenant: "web", key: "b", checks: 1, refused: 1, firstUs: 3, lastUs: 3, policies: { "per-tenant": 1 } },
  ]);
  expect(tally.limitingPolicies()).toEqual([
    { policy: "per-key", refused: 2, keys: 1, firstUs: 2, lastUs: 6 },
    { policy: "per-tenant", refused: 2, keys: 2, firstUs: 3, lastUs: 4 },
  ]);
});

it("keeps the same key of two tenants apart, whatever the key is called", () => {
  const tally = new ReplayTally();
  for (const tenant of ["a", "b"]) {
    tally.add({ atUs: 1, tenant, key: "__proto__", outcome: "denied", policy: null });
  }
  expect(tally.limitedKeys().map(({ tenant, refused }) => [tenant, refused])).toEqual([
    ["a", 1],
    ["b", 1],
  ]);
});
