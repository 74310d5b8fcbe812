import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AccuracyMeter, ENVELOPE_OF, type Accuracy } from "../../bench/accuracy.ts";
import {
  capacityOf,
  expectedOutcome,
  mostAboveRate,
  mostInAnyWindow,
  Oracle,
  type Admission,
} from "../../bench/oracle.ts";
import { START_US } from "../../bench/trace.ts";
import { anyHistory, anyParams, asEvents, type Ask, type Params } from "./histories.ts";

const KEYS = 3;

function measured(params: Params, history: readonly Ask[], admitted: readonly boolean[]): Accuracy {
  const meter = new AccuracyMeter(asEvents(history), KEYS, params);
  admitted.forEach((isAdmitted, index) => meter.observe(index, isAdmitted));
  return meter.result();
}

/** The same two numbers by definition: every span of every key, every refusal against everything before it. */
function defined(params: Params, history: readonly Ask[], admitted: readonly boolean[]): [number, number] {
  const isWindow = ENVELOPE_OF[params.algorithm] === "window";
  const yardstick = { ...params, algorithm: isWindow ? "sliding-log" : "gcra" } as const;
  const denominator = capacityOf(params);
  let worst = 0;
  let missed = 0;
  for (let key = 0; key < KEYS; key += 1) {
    const admissions: Admission[] = [];
    history.forEach(({ atUs, key: asking, cost }, index) => {
      if (asking !== key) return;
      if (admitted[index]) admissions.push({ atUs: START_US + atUs, cost });
      else if (expectedOutcome(yardstick, admissions, cost, START_US + atUs) === "allowed") missed += cost;
    });
    const most = isWindow
      ? mostInAnyWindow(admissions, params.windowUs)
      : mostAboveRate(admissions, params.limit, params.windowUs);
    worst = Math.max(worst, most - denominator);
  }
  const offered = history.reduce((sum, { cost }) => sum + cost, 0);
  return [(100 * worst) / denominator, offered === 0 ? 0 : (100 * missed) / offered];
}

describe("the accuracy meter", () => {
  it("agrees with the definition, whatever was admitted", () => {
    fc.assert(
      fc.property(
        anyParams(),
        anyHistory(KEYS, 40),
        fc.infiniteStream(fc.boolean()),
        (params, history, coins) => {
          const admitted = history.map(() => coins.next().value === true);
          const { overAdmitPct, underAdmitPct } = measured(params, history, admitted);
          const [over, under] = defined(params, history, admitted);
          expect(overAdmitPct).toBeCloseTo(over, 6);
          expect(underAdmitPct).toBeCloseTo(under, 6);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("finds an exact log and an exact bucket without fault", () => {
    fc.assert(
      fc.property(anyParams(), anyHistory(KEYS, 60), (params, history) => {
        const exact = {
          ...params,
          algorithm: ENVELOPE_OF[params.algorithm] === "window" ? "sliding-log" : params.algorithm,
        } as const;
        const oracles = Array.from({ length: KEYS }, () => new Oracle(exact));
        const admitted = history.map(
          ({ atUs, key, cost }) => oracles[key]!.decide(cost, START_US + atUs) === "allowed",
        );
        expect(measured(exact, history, admitted)).toEqual({
          overAdmitPct: 0,
          underAdmitPct: 0,
          worst: null,
        });
      }),
      { numRuns: 300 },
    );
  });
});
