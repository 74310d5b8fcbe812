import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AlgorithmParams } from "../../../algorithms/algorithm.ts";
import { RingLog } from "../../../bench/lab/ring-log.ts";
import { expectedOutcome, mostInAnyWindow, Oracle, type Admission } from "../../../bench/oracle.ts";
import { micros } from "../../../core/units.ts";

const WINDOW_US = micros(1_000);
/** Whole windows and halves among them, for their edges. */
const GAP_US = fc.oneof(fc.constant(0), fc.nat(60), fc.constantFrom(500, 1_000), fc.nat(1_500));
const GAPS_US = fc.array(GAP_US, { minLength: 40, maxLength: 160 });

function paramsOf(limit: number): AlgorithmParams {
  return { algorithm: "sliding-log", limit, windowUs: WINDOW_US };
}

describe("a log in a ring of fixed size", () => {
  it("with a place for every unit is the exact log", () => {
    fc.assert(
      fc.property(GAPS_US, fc.integer({ min: 1, max: 20 }), (gaps, limit) => {
        const ring = new RingLog(paramsOf(limit), limit);
        const oracle = new Oracle(paramsOf(limit));
        let nowUs = 5_000;
        for (const gapUs of gaps) {
          nowUs += gapUs;
          expect(ring.ask(nowUs)).toBe(oracle.decide(1, nowUs) === "allowed");
        }
      }),
    );
  });

  it("with fewer never exceeds the limit, refuses only where the log would refuse a place's units, and fits", () => {
    fc.assert(
      fc.property(
        GAPS_US,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        (gaps, limit, places) => {
          fc.pre(places <= limit);
          const ring = new RingLog(paramsOf(limit), places);
          const admissions: Admission[] = [];
          let nowUs = 5_000;
          for (const gapUs of gaps) {
            nowUs += gapUs;
            const before = [...admissions];
            const isAllowed = ring.ask(nowUs);
            if (isAllowed) admissions.push({ atUs: nowUs, cost: 1 });
            else expect(expectedOutcome(paramsOf(limit), before, ring.groupUnits, nowUs)).toBe("denied");
            expect(ring.placesUsed).toBeLessThanOrEqual(places + 1);
          }
          expect(mostInAnyWindow(admissions, WINDOW_US)).toBeLessThanOrEqual(limit);
        },
      ),
    );
  });

  it("forgets a place when its youngest unit leaves, not when its oldest does", () => {
    const ring = new RingLog(paramsOf(2), 1);
    expect([ring.ask(5_000), ring.ask(5_900), ring.ask(6_000), ring.ask(6_899), ring.ask(6_900)]).toEqual([
      true,
      true,
      false,
      false,
      true,
    ]);
  });
});
