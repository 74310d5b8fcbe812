import { expect, it } from "vitest";
import { parsePolicies } from "../../admission/policy-schema.ts";
import { OfflineDecider } from "../../sim/offline-decider.ts";

const document = parsePolicies(
  {
    version: 1,
    policies: [
      {
        name: "per-key",
        dimension: "key",
        match: { tenant: "web" },
        algorithm: "fixed-window",
        limit: 2,
        window: "10s",
      },
      {
        name: "per-user",
        dimension: "user",
        match: { tenant: "web" },
        algorithm: "gcra",
        limit: 1,
        window: "20s",
      },
    ],
  },
  "test",
);
const check = { tenant: "web", key: "10.0.0.1", user: null, cost: 1 };
const startUs = 1_700_000_000_000_000;

it("decides as the live shards would, at the time it is told", () => {
  const decider = new OfflineDecider(document);
  const remaining = { outcome: "allowed", policy: "per-key", retryAfterUs: 0 };
  expect(decider.decide(check, startUs)).toEqual({ ...remaining, remaining: 1 });
  expect(decider.decide(check, startUs + 1)).toEqual({ ...remaining, remaining: 0 });
  expect(decider.decide(check, startUs + 2)).toMatchObject({
    outcome: "denied",
    retryAfterUs: 10_000_000 - 2,
  });
  expect(decider.decide(check, startUs + 10_000_000)).toEqual({ ...remaining, remaining: 1 });
});

it("asks every policy that applies, and charges none when one refuses", () => {
  const decider = new OfflineDecider(document);
  const asEve = { ...check, user: "eve" };
  expect(decider.decide(asEve, startUs)).toMatchObject({ outcome: "allowed", policy: "per-user" });
  expect(decider.decide(asEve, startUs)).toMatchObject({ outcome: "denied", policy: "per-user" });
  expect(decider.decide(check, startUs)).toMatchObject({ outcome: "allowed", remaining: 0 });
});

it("says when no wait helps and when no policy applies", () => {
  const decider = new OfflineDecider(document);
  expect(decider.decide({ ...check, cost: 3 }, startUs)).toMatchObject({
    outcome: "unsatisfiable",
    retryAfterUs: null,
  });
  expect(decider.decide({ ...check, tenant: "other" }, startUs)).toEqual({
    outcome: "allowed",
    policy: null,
    remaining: null,
    retryAfterUs: 0,
  });
});
