import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judgeBeside, unitsBeside } from "../../admission/held-units.ts";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S } from "../../core/units.ts";

const NOW_US = micros(1_700_000_000 * US_PER_S + 300_000);

describe.each(ALGORITHMS)("%s beside held units", (algorithm) => {
  it("allows what fits beside them, charges nothing for asking, and says what is left", () => {
    const cases = fc.record({
      limit: fc.integer({ min: 1, max: 30 }),
      charged: fc.nat(30),
      held: fc.nat(30),
      cost: fc.nat(35),
    });
    fc.assert(
      fc.property(cases, ({ limit, charged, held, cost }) => {
        const limiter = new KeyedLimiter(createAlgorithm({ algorithm, limit, windowUs: micros(US_PER_S) }));
        limiter.charge(1, 1, charged, NOW_US);
        const verdict = new Verdict();
        limiter.evaluate(1, 1, unitsBeside(held, cost, limit), NOW_US, verdict);
        judgeBeside(held, cost, limit, verdict);
        const free = Math.max(0, limit - charged - held);
        const isAllowed = cost === 0 || charged + held + cost <= limit;
        const outcome = isAllowed ? "allowed" : cost > limit ? "unsatisfiable" : "denied";
        expect(verdict.outcome).toBe(outcome);
        if (outcome !== "unsatisfiable")
          expect(verdict.remaining).toBe(isAllowed ? free - Math.min(free, cost) : free);
        expect(verdict.retryAfterUs > 0).toBe(!isAllowed);
        if (outcome === "denied") expect(verdict.retryAfterUs).toBeLessThan(Infinity);
        limiter.evaluate(1, 1, 0, NOW_US, verdict);
        expect(verdict.remaining).toBe(Math.max(0, limit - charged));
      }),
    );
  });
});

it("tells the exact wait while what is held stays held", () => {
  const limiter = new KeyedLimiter(
    createAlgorithm({ algorithm: "gcra", limit: 10, windowUs: micros(US_PER_S) }),
  );
  limiter.charge(1, 1, 4, NOW_US);
  const verdict = new Verdict();
  const ask = (afterUs: number): Verdict => {
    limiter.evaluate(1, 1, unitsBeside(5, 3, 10), micros(NOW_US + afterUs), verdict);
    judgeBeside(5, 3, 10, verdict);
    return verdict;
  };
  expect(ask(0)).toMatchObject({ outcome: "denied", remaining: 1, retryAfterUs: 200_000 });
  expect(ask(199_999).outcome).toBe("denied");
  expect(ask(200_000).outcome).toBe("allowed");
});
