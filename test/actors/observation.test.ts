import { expect, it } from "vitest";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { LoneShardActor } from "./lone-shard-actor.ts";

const POLICIES = `
version: 1
tenants: { acme: { keysMax: 1 }, "a b": { keysMax: 1 } }
policies:
  - { name: per-key, dimension: key, algorithm: gcra, limit: 10, window: 1d }
  - { name: per-org, dimension: org, algorithm: gcra, limit: 100000, window: 1d }
`;

function inventing(tenant: string, keys: number): LoneShardActor {
  const lone = new LoneShardActor(parsePolicyText(POLICIES, "test.yaml"));
  for (let n = 0; n < keys; n += 1) lone.json("check", tenant, `invented-${n}`);
  return lone;
}

it("says that a key shares its tenant's overflow bucket, under the policies where it does", () => {
  const lone = inventing("acme", 4_000);
  const bucketsOf = (tenant: string, key: string) => lone.json("observe", tenant, key);
  // Each shard has a bucket, and each of them has seen more new keys than it lets through.
  expect(bucketsOf("acme", "late-5")).toMatchObject({
    policies: [
      { policy: "per-key", remaining: 0, overflow: true },
      { policy: "per-org", overflow: false },
    ],
  });
  expect(bucketsOf("acme", "invented-0")).toMatchObject({
    policies: [{ remaining: 9, overflow: false }, {}],
  });
  expect(bucketsOf("globex", "late-5")).toMatchObject({ policies: [{ remaining: 10, overflow: false }, {}] });
});

it("counts full tenants for everybody, and names them to operators", () => {
  const lone = inventing("~YSBi", 4_000);
  lone.json("check", "globex", "alice");
  expect(lone.region()).toMatchObject({ fullTenants: 1 });
  expect(JSON.stringify(lone.region())).not.toContain("YSBi");
  expect(lone.limited()).toMatchObject({
    fullTenants: [{ tenant: "~YSBi", keys: expect.any(Number), keysMax: 1 }],
  });
});
