/**
 * Every algorithm against the oracle, decision for decision: outcome, remaining, retryAfter and delay. The
 * two share no code, so a difference is a bug in one of them. The clock may step back and usage may be
 * charged unasked.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { expectedDelayUs, expectedOutcome, Oracle, type Admission } from "../../bench/oracle.ts";
import { START_US } from "../../bench/trace.ts";
import { Verdict } from "../../core/decision.ts";
import { micros } from "../../core/units.ts";
import { anyHistory, anyParams, type Params } from "./histories.ts";

const KEYS = 3;

interface Answer {
  outcome: string;
  remaining: number;
  retryAfterUs: number;
  delayUs: number;
}

/** What the definition says about an ask that was just decided. */
function definedAnswer(
  params: Params,
  [before, after]: readonly [readonly Admission[], readonly Admission[]],
  cost: number,
  nowUs: number,
): Answer {
  const outcome = expectedOutcome(params, before, cost, nowUs);
  let remaining = 0;
  while (expectedOutcome(params, after, remaining + 1, nowUs) === "allowed") remaining += 1;
  const isDelayed = outcome === "allowed" && params.algorithm === "leaky-queue";
  return {
    outcome,
    remaining,
    retryAfterUs:
      outcome === "denied" ? waitUs(params, before, cost, nowUs) : outcome === "allowed" ? 0 : Infinity,
    delayUs: isDelayed ? expectedDelayUs(params, before, nowUs) : 0,
  };
}

/** The first moment at which the ask is allowed: it stays so, hence a binary search. */
function waitUs(params: Params, admissions: readonly Admission[], cost: number, nowUs: number): number {
  let low = 0;
  let high = 2 ** 40;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (expectedOutcome(params, admissions, cost, nowUs + middle) === "allowed") high = middle;
    else low = middle;
  }
  return high;
}

describe.each(ALGORITHMS)("%s", (algorithm) => {
  it("answers as its definition does", () => {
    const anyStep = fc.record({
      draw: fc.integer({ min: 0, max: 19 }),
      backUs: fc.constantFrom(0, 0, 0, 1, 700),
    });
    let decisions = 0;
    fc.assert(
      fc.property(
        anyParams([algorithm]),
        anyHistory(KEYS, 60),
        fc.infiniteStream(anyStep),
        (params, history, steps) => {
          const limiter = new KeyedLimiter(createAlgorithm(params));
          const verdict = new Verdict();
          const oracles = Array.from({ length: KEYS }, () => new Oracle(params));
          let lastUs = 0;
          for (const { atUs, key, cost } of history) {
            const { draw, backUs } = steps.next().value as { draw: number; backUs: number };
            const nowUs = START_US + atUs - backUs;
            // The clock of the whole table never runs back, also not for a key that was not looked at.
            lastUs = Math.max(lastUs, nowUs);
            const { admissions } = oracles[key]!;
            if (draw < 2) {
              const change = draw === 0 ? "charge" : "refund";
              limiter[change](key + 1, 7, cost, micros(nowUs));
              oracles[key]![change](cost, lastUs);
              continue;
            }
            const before = [...admissions];
            oracles[key]!.decide(cost, lastUs);
            limiter.decide(key + 1, 7, cost, micros(nowUs), verdict);
            const { outcome, remaining, retryAfterUs, delayUs } = verdict;
            expect({ outcome, remaining, retryAfterUs, delayUs }).toEqual(
              definedAnswer(params, [before, admissions], cost, lastUs),
            );
            decisions += 1;
          }
        },
      ),
      { numRuns: 150 },
    );
    expect(decisions).toBeGreaterThan(2_000);
  });
});
