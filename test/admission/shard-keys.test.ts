import { describe, expect, it } from "vitest";
import { compilePolicies } from "../../admission/policy-set.ts";
import type { Policy } from "../../admission/policy.ts";
import { ShardKeys } from "../../admission/shard-keys.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { Verdict } from "../../core/decision.ts";
import { micros } from "../../core/units.ts";
import { NOW_US, policiesOf } from "../actors/lone-shard-actor.ts";

const now = micros(NOW_US);

describe("ShardKeys", () => {
  it("gives back all memory of a policy that is gone", () => {
    const budget = new MemoryBudget(Infinity);
    const one = policiesOf("name: a, dimension: key, algorithm: gcra, limit: 5, window: 1s");
    const keys = new ShardKeys(0, 0, compilePolicies(one, 1), budget);
    const verdict = new Verdict();
    for (let key = 1; key <= 100; key += 1) keys.limiter(0).decide(key, 0, 1, now, verdict);
    keys.adopt(compilePolicies(policiesOf(), 2), now);
    expect(keys.usage()).toMatchObject({ keys: 0, bytes: 0 });
    expect(budget.bytesUsed).toBe(0);
  });

  it("keeps every debt when the new policies turn out to be impossible", () => {
    const sound = policiesOf(
      "name: a, dimension: key, algorithm: gcra, limit: 5, window: 1d",
      "name: b, dimension: key, algorithm: gcra, limit: 1, window: 1d",
    );
    const [a, b] = sound.policies as [Policy, Policy];
    const broken = { ...sound, policies: [b, { ...a, burst: 2 ** 31 - 1 }] };
    const keys = new ShardKeys(0, 0, compilePolicies(sound, 1), new MemoryBudget(Infinity));
    const verdict = new Verdict();
    keys.limiter(0).decide(1, 0, 5, now, verdict);
    expect(() => keys.adopt(compilePolicies(broken, 2), now)).toThrow("burst");
    expect(() => keys.adopt(compilePolicies(broken, 2), now)).toThrow("burst");
    keys.adopt(compilePolicies(sound, 3), now);
    keys.limiter(0).evaluate(1, 0, 1, now, verdict);
    expect(verdict.outcome).toBe("denied");
  });
});
