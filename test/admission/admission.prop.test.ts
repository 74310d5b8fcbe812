import * as fc from "fast-check";
import { expect, it } from "vitest";
import { Admission } from "../../admission/admission.ts";
import { compilePolicies } from "../../admission/policy-set.ts";
import type { Policy } from "../../admission/policy.ts";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { DIMENSIONS, Verdict } from "../../core/decision.ts";
import { homeShard } from "../../core/key.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { NOW_US, policiesOf } from "../actors/lone-shard-actor.ts";

const SHARDS = 4;
const utf8 = new TextEncoder();

interface Ask {
  readonly tenant: string;
  readonly user: string;
  readonly key: string;
  readonly cost: number;
  readonly isReport: boolean;
  readonly waitUs: number;
}

const asks: fc.Arbitrary<Ask> = fc.record({
  tenant: fc.constantFrom("acme", "acme2", "globex"),
  user: fc.constantFrom("", "u1", "u2"),
  key: fc.constantFrom("", "k1", "k2", "u1"),
  cost: fc.nat(6),
  isReport: fc.nat(9).map((draw) => draw === 0),
  waitUs: fc.oneof(fc.constant(0), fc.nat(3 * US_PER_S)),
});

const policyLines = fc
  .array(
    fc.record({
      dimension: fc.constantFrom(...DIMENSIONS),
      algorithm: fc.constantFrom(...ALGORITHMS),
      limit: fc.integer({ min: 0, max: 12 }),
      seconds: fc.integer({ min: 1, max: 10 }),
      match: fc.constantFrom("", ", match: { tenant: acme }", ", match: { tenant: [globex, acme] }"),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((policies) =>
    policies.map(
      ({ dimension, algorithm, limit, seconds, match }, i) =>
        `name: p${i}, dimension: ${dimension}, algorithm: ${algorithm}, limit: ${limit}, window: ${seconds}s${match}`,
    ),
  );

function admissionOf(lines: readonly string[]): Admission {
  return Admission.whole({
    shards: SHARDS,
    secret: { high: 3, low: 4 },
    policies: compilePolicies(policiesOf(...lines)),
    budget: new MemoryBudget(Infinity),
  });
}

interface Share {
  readonly policy: Policy;
  readonly limiter: KeyedLimiter;
  readonly verdict: Verdict;
}

/** As dumb as can be: one limiter for every policy and name, asked one after the other. */
class IndependentLimiters {
  readonly #policies: readonly Policy[];
  readonly #limiters = new Map<string, KeyedLimiter>();

  constructor(policies: readonly Policy[]) {
    this.#policies = policies;
  }

  decide(ask: Ask, nowUs: number): Share[] {
    const shares = this.#look(ask, ask.isReport ? 0 : ask.cost, nowUs);
    const isAllowed = ask.isReport || shares.every(({ verdict }) => verdict.outcome === "allowed");
    for (const { limiter, verdict } of isAllowed ? shares : []) {
      const most = ask.isReport ? limiter.algorithm.owable(verdict.resetAfterUs) : Infinity;
      limiter.charge(1, 1, Math.min(ask.cost, most), micros(nowUs));
    }
    return ask.isReport ? this.#look(ask, 0, nowUs) : shares;
  }

  #look({ tenant, user, key }: Ask, cost: number, nowUs: number): Share[] {
    return this.#policies.flatMap((policy) => {
      const { dimension, match } = policy;
      const names = { user, key, org: "everyone", global: "everyone" };
      if (match.tenants?.includes(tenant) === false || names[dimension] === "") return [];
      const owner = dimension === "global" ? "" : tenant;
      const place = `${policy.name} ${owner} ${names[dimension]}`;
      let limiter = this.#limiters.get(place);
      if (limiter === undefined)
        this.#limiters.set(place, (limiter = new KeyedLimiter(createAlgorithm(policy))));
      const verdict = new Verdict();
      limiter.evaluate(1, 1, cost, micros(nowUs), verdict);
      return [{ policy, limiter, verdict }];
    });
  }
}

function describe(admission: Admission, { tenant, user, key }: Ask): void {
  admission.describe(tenant, user, key);
}

it("allows what every single limiter allows, charges all or none, and waits for the slowest", () => {
  fc.assert(
    fc.property(policyLines, fc.array(asks, { minLength: 1, maxLength: 60 }), (lines, history) => {
      const admission = admissionOf(lines);
      const { policies } = admission.policies;
      const model = new IndependentLimiters(policies);
      let nowUs = NOW_US;
      for (const ask of history) {
        nowUs += ask.waitUs;
        describe(admission, ask);
        if (ask.isReport) admission.report(ask.cost, micros(nowUs));
        else admission.decide(ask.cost, micros(nowUs));
        const shares = model.decide(ask, nowUs);
        const { outcome, remaining, retryAfterUs, delayUs } = admission.verdict;
        const refusals = shares.filter(({ verdict }) => verdict.outcome !== "allowed");
        const retries = shares.map(({ verdict }) => verdict.retryAfterUs);
        const least = shares.map(({ verdict }) =>
          refusals.length > 0 && verdict.outcome === "allowed"
            ? verdict.remaining + ask.cost
            : verdict.remaining,
        );
        const isNever = refusals.some(({ verdict }) => verdict.outcome === "unsatisfiable");
        expect({ outcome, remaining, retryAfterUs, delayUs }).toEqual({
          outcome: refusals.length === 0 ? "allowed" : isNever ? "unsatisfiable" : "denied",
          remaining: shares.length === 0 ? 0 : Math.min(...least),
          retryAfterUs: Math.max(0, ...retries),
          delayUs: refusals.length > 0 ? 0 : Math.max(0, ...shares.map(({ verdict }) => verdict.delayUs)),
        });
        const tightest = shares.find(({ policy }) => policy === policies[admission.tightest]);
        expect(tightest === undefined).toBe(shares.length === 0);
        if (tightest === undefined) continue;
        expect(tightest.verdict.retryAfterUs).toBe(retryAfterUs);
        if (refusals.length === 0) expect(tightest.verdict.remaining).toBe(remaining);
      }
    }),
    { numRuns: 300 },
  );
});

it("tells the wait of a denied check exactly: one microsecond early is denied, on time is allowed", () => {
  let denials = 0;
  fc.assert(
    fc.property(policyLines, fc.array(asks, { minLength: 5, maxLength: 40 }), (lines, history) => {
      const admission = admissionOf(lines);
      let nowUs = NOW_US;
      for (const ask of history) {
        nowUs += ask.waitUs;
        describe(admission, ask);
        admission.decide(ask.cost, micros(nowUs));
        const { outcome, retryAfterUs } = admission.verdict;
        if (outcome !== "denied") continue;
        denials += 1;
        expect(Number.isSafeInteger(retryAfterUs)).toBe(true);
        admission.evaluate(ask.cost, micros(nowUs + retryAfterUs - 1));
        expect(admission.verdict).toMatchObject({ outcome: "denied", retryAfterUs: 1 });
        admission.evaluate(ask.cost, micros(nowUs + retryAfterUs));
        expect(admission.verdict.outcome).toBe("allowed");
        nowUs += retryAfterUs;
      }
    }),
    { numRuns: 300, seed: 7 },
  );
  expect(denials).toBeGreaterThan(100);
});

it("describes a check by its bytes as by its tokens, and places it where the wire does", () => {
  // The finer, the tighter, so that no coarse policy hides what happens to a fine one.
  const lines = DIMENSIONS.map(
    (dimension, i) =>
      `name: ${dimension}, dimension: ${dimension}, algorithm: gcra, limit: ${20 * 10 ** i}, window: 1d`,
  );
  fc.assert(
    fc.property(fc.array(asks, { minLength: 1, maxLength: 60 }), (history) => {
      const byText = admissionOf(lines);
      const byBytes = admissionOf(lines);
      for (const ask of history) {
        const bytes = utf8.encode(`##${ask.key}${ask.user}##`);
        const userStart = 2 + ask.key.length;
        describe(byText, ask);
        byBytes.describeBytes(ask.tenant, bytes, 2, userStart, userStart + ask.user.length);
        const finest = ask.user || ask.key || "_org";
        expect([byText.home, byBytes.home]).toEqual(Array(2).fill(homeShard(ask.tenant, finest, SHARDS)));
        for (const admission of [byText, byBytes]) admission.decide(ask.cost, micros(NOW_US));
        expect(byBytes.verdict).toEqual(byText.verdict);
        expect(byBytes.tightest).toBe(byText.tightest);
        // The same keys, and not just the same numbers: what was charged by text is seen by bytes.
        describe(byText, ask);
        byText.evaluate(0, micros(NOW_US));
        byBytes.verdict.copyFrom(byText.verdict);
        byText.describeBytes(ask.tenant, bytes, 2, userStart, userStart + ask.user.length);
        byText.evaluate(0, micros(NOW_US));
        expect(byText.verdict).toEqual(byBytes.verdict);
      }
    }),
    { numRuns: 100 },
  );
});

it("tells a tenant the same whatever keys others invent beside it", () => {
  const ownPolicies = policyLines.map((lines) => lines.filter((line) => !line.includes("global")));
  fc.assert(
    fc.property(ownPolicies, fc.array(asks, { maxLength: 60, size: "max" }), (lines, history) => {
      const list = lines.map((line) => `  - { ${line} }\n`).join("");
      const text = `version: 1\nkeysMax: 20\npolicies:\n${list === "" ? "  []\n" : list}`;
      const [flooded, quiet] = [1, 2].map(() => {
        const admission = admissionOf([]);
        admission.adopt(compilePolicies(parsePolicyText(text, "test.yaml"), 2));
        return admission;
      }) as [Admission, Admission];
      let nowUs = NOW_US;
      let invented = 0;
      for (const { tenant, user, key, cost, isReport, waitUs } of history) {
        nowUs += waitUs;
        for (let i = 0; i < 100; i += 1) {
          flooded.describe("flooder", `u${(invented += 1)}`, `k${invented}`);
          flooded.decide(1 + (i % 3), micros(nowUs));
        }
        for (const admission of [flooded, quiet]) {
          admission.describe(tenant, user, key);
          if (isReport) admission.report(cost, micros(nowUs));
          else admission.decide(cost, micros(nowUs));
        }
        expect(flooded.verdict).toEqual(quiet.verdict);
        expect(flooded.tightest).toBe(quiet.tightest);
      }
    }),
    { numRuns: 60 },
  );
});
