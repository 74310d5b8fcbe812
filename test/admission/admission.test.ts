import { describe, expect, it } from "vitest";
import { Admission } from "../../admission/admission.ts";
import { compilePolicies } from "../../admission/policy-set.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { micros } from "../../core/units.ts";
import { NOW_US, policiesOf } from "../actors/lone-shard-actor.ts";

const now = micros(NOW_US);

function admissionOf(policies: string[], budget = new MemoryBudget(Infinity)): Admission {
  const secret = { high: 1, low: 2 };
  return Admission.whole({ shards: 4, secret, budget, policies: compilePolicies(policiesOf(...policies)) });
}

describe("Admission", () => {
  it("tells the least that is left under any policy, also when it denies", () => {
    const admission = admissionOf([
      "name: key-day, dimension: key, algorithm: fixed-window, limit: 10, window: 1d",
      "name: org-second, dimension: org, algorithm: fixed-window, limit: 12, window: 1s",
    ]);
    for (const [key, cost] of [
      ["one", 5],
      ["two", 7],
    ] as const) {
      admission.describe("acme", "", key);
      admission.decide(cost, now);
    }
    admission.describe("acme", "", "one");
    admission.decide(6, now);
    const { outcome, remaining } = admission.verdict;
    expect({ outcome, remaining }).toEqual({ outcome: "denied", remaining: 0 });
    expect(admission.policies.policies[admission.tightest]?.name).toBe("key-day");
  });
});
