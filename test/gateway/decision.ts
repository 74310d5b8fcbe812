/** A decision with everything about it chosen, for tests that change one thing. */
import type { CheckResult } from "../../client/check.ts";
import type { PolicyWords } from "../../gateway/policies-in-force.ts";

export const WORDS: PolicyWords = {
  algorithm: "gcra",
  policyField: '"per-key";q=100;w=60',
  limitItem: '"per-key"',
};

export function decision(changes: Partial<CheckResult> = {}): CheckResult {
  return {
    allowed: true,
    outcome: "allowed",
    limit: 100,
    remaining: 99,
    retryAfterUs: 0,
    resetAfterUs: 600_000,
    delayUs: 0,
    policy: "per-key",
    dimension: "key",
    tier: "approximate",
    region: "eu",
    decidedUs: 1,
    sequence: 1,
    epoch: 1,
    blind: false,
    ...changes,
  };
}
