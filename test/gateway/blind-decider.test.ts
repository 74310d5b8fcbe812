import { expect, it } from "vitest";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { FAILURE_MODES } from "../../admission/policy.ts";
import { ManualClock } from "../../core/clock.ts";
import { BlindDecider } from "../../gateway/blind-decider.ts";
import { PoliciesInForce } from "../../gateway/policies-in-force.ts";

const policy = (name: string, rest: string) =>
  `  - { name: ${name}, dimension: key, match: { tenant: ${name} }, algorithm: gcra, ${rest} }\n`;
const TEXT =
  "version: 1\npolicies:\n" +
  policy("open", "limit: 1, window: 1s, onFailure: allow") +
  policy("shut", "limit: 1, window: 1s, onFailure: deny") +
  policy("here", "limit: 2, window: 1s, onFailure: local");

function blind(text = TEXT) {
  const clock = new ManualClock();
  const policies = new PoliciesInForce(parsePolicyText(text, "policies.yaml"));
  const decider = new BlindDecider({ region: "eu", policies, clock, secret: { high: 1, low: 2 } });
  const decide = (tenant: string, key = "alice") =>
    decider.decide({ tenant, key, cost: 1, tier: "approximate" });
  return { clock, policies, decider, decide };
}

it("allows, denies or decides here, as the tenant's policies say, and marks it", () => {
  const { decide } = blind();
  expect(decide("open")).toMatchObject({ allowed: true, blind: true, failureMode: "allow", region: "eu" });
  expect(decide("open")).toMatchObject({ allowed: true });
  expect(decide("shut")).toMatchObject({ allowed: false, outcome: "denied", failureMode: "deny" });
  expect(decide("here")).toMatchObject({ allowed: true, failureMode: "local", policy: "here", remaining: 1 });
});

it("allows a tenant that no policy matches", () => {
  expect(blind().decide("stranger")).toMatchObject({ allowed: true, failureMode: "allow", limit: null });
});

it("tells a caller denied blind to come back when the regions are tried again", () => {
  expect(blind().decide("shut").retryAfterUs).toBe(1_000_000);
});

it("decides here by the policies: exact waits, keys apart, never a blind pass beyond the limit", () => {
  const { clock, decide } = blind();
  expect(decide("here").allowed).toBe(true);
  expect(decide("here").allowed).toBe(true);
  const refused = decide("here");
  expect(refused).toMatchObject({ outcome: "denied", retryAfterUs: 500_000, limit: 2, dimension: "key" });
  expect(decide("here", "bob").allowed).toBe(true);
  clock.advanceUs(refused.retryAfterUs - 1);
  expect(decide("here").allowed).toBe(false);
  clock.advanceUs(1);
  expect(decide("here").allowed).toBe(true);
});

it("decides by policies that were reloaded, keeping what keys owe", () => {
  const { policies, decide } = blind();
  expect(decide("here").remaining).toBe(1);
  policies.adopt(parsePolicyText(TEXT.replace("limit: 2", "limit: 10"), "policies.yaml"));
  expect(decide("here")).toMatchObject({ limit: 10, allowed: true });
  policies.adopt(parsePolicyText(TEXT.replace("onFailure: local", "onFailure: deny"), "policies.yaml"));
  expect(decide("here")).toMatchObject({ failureMode: "deny", allowed: false });
});

it("counts every decision by how it came about", () => {
  const { decider, decide } = blind();
  for (const tenant of ["open", "open", "open", "shut", "here", "here"]) decide(tenant);
  const counts = Object.fromEntries(FAILURE_MODES.map((mode, at) => [mode, decider.counts[at]]));
  expect(counts).toEqual({ allow: 3, deny: 1, local: 2 });
});
