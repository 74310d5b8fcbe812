import { describe, expect, it } from "vitest";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { Admission } from "../../admission/admission.ts";
import { compilePolicies, type PolicySet } from "../../admission/policy-set.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S } from "../../core/units.ts";
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

const PER_KEY = "name: per-key, dimension: key, algorithm: gcra, limit: 10, window: 1d";
const PER_USER = "name: per-user, dimension: user, algorithm: gcra, limit: 10, window: 1d";
const PER_ORG = "name: per-org, dimension: org, algorithm: gcra, limit: 1000000, window: 1s";

function policiesSaying(text: string, revision: number, ...lines: string[]): PolicySet {
  const list = lines.map((line) => `  - { ${line} }\n`).join("");
  return compilePolicies(parsePolicyText(`version: 1\n${text}policies:\n${list}`, "test.yaml"), revision);
}

/** Asks once for so many keys that nobody has seen; how many were let through. */
function invent(admission: Admission, tenant: string, keys: number, from = 0): number {
  let allowed = 0;
  for (let n = from; n < from + keys; n += 1) {
    admission.describe(tenant, "", `invented-${n}`);
    admission.decide(1, now);
    if (admission.verdict.outcome === "allowed") allowed += 1;
  }
  return allowed;
}

function leftOf(admission: Admission, tenant: string, key: string): number {
  admission.describe(tenant, "", key);
  admission.decide(0, now);
  return admission.verdict.remaining;
}

function heldBy(admission: Admission): number {
  return admission.table.keysOfPolicy(0);
}

describe("a tenant that invents keys", () => {
  it("gets no more than its share of the memory, and evicts and hinders nobody", () => {
    const budget = new MemoryBudget(4 * 2 ** 20);
    const admission = admissionOf([PER_KEY], budget);
    const spent = Array.from({ length: 20_000 }, (_, n) => 1 + (n % 10));
    for (const [n, units] of spent.entries()) {
      admission.describe("globex", "", `k${n}`);
      admission.decide(units, now);
    }
    // A quarter of 4 MiB at 16 bytes is 65,536 keys; and 10 in each of the four shards' buckets.
    const allowed = invent(admission, "acme", 400_000);
    expect(allowed).toBeGreaterThan(65_536);
    expect(allowed).toBeLessThan(95_000);
    const usage = [0, 1, 2, 3].map((shard) => admission.table.usage(shard));
    expect(usage.reduce((sum, { overflowed }) => sum + overflowed, 0)).toBe(400_000 - allowed + 40);
    expect(usage.reduce((sum, { evictedLive }) => sum + evictedLive, 0)).toBe(0);
    expect(budget.bytesUsed).toBeLessThan(budget.bytesMax / 2);
    for (const [n, units] of spent.entries()) expect(leftOf(admission, "globex", `k${n}`)).toBe(10 - units);
    expect(invent(admission, "globex", 20_000)).toBe(20_000);
    expect(admission.tenants.full()).toEqual([{ tenant: "acme", keys: expect.any(Number), keysMax: 65_536 }]);
  });

  it("is let have more, or less, by the policies, and at once", () => {
    const admission = admissionOf([PER_KEY]);
    admission.adopt(policiesSaying("tenants: { acme: { keysMax: 100 } }\n", 2, PER_KEY));
    expect(invent(admission, "acme", 10_000)).toBeLessThan(5_500);
    const held = heldBy(admission);
    expect(invent(admission, "globex", 10_000)).toBe(10_000);
    admission.adopt(policiesSaying("tenants: { acme: { keysMax: 20000 } }\nkeysMax: 100\n", 3, PER_KEY));
    expect(invent(admission, "acme", 5_000, 20_000)).toBe(5_000);
    expect(heldBy(admission)).toBe(held + 10_000 + 5_000);
    expect(invent(admission, "globex", 5_000, 20_000)).toBeLessThanOrEqual(40);
  });

  it("may have a little more from a reload on, although it is full", () => {
    const admission = admissionOf([]);
    admission.adopt(policiesSaying("keysMax: 1000\n", 2, PER_KEY));
    while (admission.tenants.full().length === 0) invent(admission, "acme", 1, heldBy(admission));
    admission.adopt(policiesSaying("keysMax: 1100\n", 3, PER_KEY));
    expect(invent(admission, "acme", 1, 10_000)).toBe(1);
    expect(admission.tenants.full()).toEqual([]);
  });

  it("is no different when it invents users", () => {
    const admission = admissionOf([]);
    admission.adopt(policiesSaying("keysMax: 100\n", 2, PER_USER));
    for (let n = 0; n < 8_000; n += 1) {
      admission.describe("acme", `u${n}`, "");
      admission.decide(1, now);
    }
    expect(heldBy(admission)).toBeLessThan(5_500);
    expect(admission.tenants.full()).toMatchObject([{ tenant: "acme", keysMax: 100 }]);
  });

  it("does not lose its organisation's key to a bucket, which would start anew when there is room", () => {
    const admission = admissionOf([]);
    admission.adopt(policiesSaying("keysMax: 1\n", 2, PER_KEY, PER_ORG));
    invent(admission, "acme", 3_000);
    // By then the organisation's key is as good as new, and gone.
    const laterUs = micros(NOW_US + 5 * US_PER_S);
    for (let i = 0; i < 8; i += 1) admission.table.sweep(laterUs);
    expect(admission.table.keysOfPolicy(1)).toBe(0);
    admission.describe("acme", "", "invented-0");
    admission.decide(1, laterUs);
    expect(admission.tenants.full()).toMatchObject([{ tenant: "acme" }]);
    const seen: [number, boolean][] = [];
    admission.inspect(0, laterUs, (_, { remaining }, isShared) => seen.push([remaining, isShared]));
    expect(seen).toEqual([
      [8, false],
      [999_999, false],
    ]);
  });

  it("has its bucket journalled like any key", () => {
    const slow = "name: per-key, dimension: key, algorithm: gcra, limit: 100, window: 1d";
    const policies = policiesSaying("keysMax: 1\n", 1, slow);
    const options = { shards: 1, secret: { high: 1, low: 2 }, policies, budget: new MemoryBudget(Infinity) };
    const admission = new Admission(options);
    admission.table.open(0, admission.table.newKeys(0), true);
    invent(admission, "acme", 5_000);
    admission.describe("acme", "", "one more");
    admission.decide(60, now);
    const left = leftOf(admission, "acme", "and another");
    expect(left).toBeLessThan(40);

    const successor = new Admission(options);
    const keys = successor.table.newKeys(0);
    const reader = new StatePageReader();
    for (const page of admission.table.journalToWrite(0, now)?.takeDue(2 ** 20) ?? []) {
      reader.open(page);
      keys.adoptPage(reader, now);
    }
    successor.table.open(0, keys, true);
    const { high, low } = successor.tenants.of("acme").quota;
    const verdict = new Verdict();
    keys.limiter(0).evaluate(high, low, 0, now, verdict);
    expect(verdict.remaining).toBe(left);
  });
});
