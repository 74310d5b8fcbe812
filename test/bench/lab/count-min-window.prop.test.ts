import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AlgorithmParams } from "../../../algorithms/algorithm.ts";
import { CountMinWindow } from "../../../bench/lab/count-min-window.ts";
import { expectedOutcome, mostInAnyWindow, Oracle, type Admission } from "../../../bench/oracle.ts";
import { micros } from "../../../core/units.ts";

const KEYS = 6;
const PARAMS: AlgorithmParams = {
  algorithm: "conservative-window",
  limit: 5,
  windowUs: micros(1_000),
  subWindows: 4,
};
/** Most asks fall into the sub-window of the one before. */
const GAP_US = fc.oneof(
  fc.constant(0),
  fc.constant(0),
  fc.nat(20),
  fc.constantFrom(250, 1_000),
  fc.nat(3_000),
);
const ASKS = fc.array(fc.record({ gapUs: GAP_US, key: fc.nat(KEYS - 1) }), { minLength: 40, maxLength: 150 });
const SIZE = fc.record({ width: fc.integer({ min: 1, max: 8 }), depth: fc.integer({ min: 1, max: 3 }) });

describe("one sketch for all keys", () => {
  it("never lets a key exceed its limit, or pass where a window of its own counts would refuse", () => {
    fc.assert(
      fc.property(ASKS, SIZE, fc.nat(), (asks, size, seed) => {
        const sketch = new CountMinWindow(PARAMS, size, seed);
        const admissions: Admission[][] = Array.from({ length: KEYS }, () => []);
        let nowUs = 10_000;
        for (const { gapUs, key } of asks) {
          nowUs += gapUs;
          const own = admissions[key]!;
          if (!sketch.ask(key, nowUs)) continue;
          expect(expectedOutcome(PARAMS, own, 1, nowUs)).toBe("allowed");
          own.push({ atUs: nowUs, cost: 1 });
        }
        for (const own of admissions) expect(mostInAnyWindow(own, PARAMS.windowUs)).toBeLessThanOrEqual(5);
      }),
    );
  });

  it("of one counter is one window for everybody, and for a key alone its window of counts", () => {
    fc.assert(
      fc.property(ASKS, fc.boolean(), SIZE, (asks, isAlone, size) => {
        const sketch = new CountMinWindow(PARAMS, isAlone ? size : { width: 1, depth: 1 }, 1);
        const oracle = new Oracle(PARAMS);
        let nowUs = 10_000;
        for (const { gapUs, key } of asks) {
          nowUs += gapUs;
          expect(sketch.ask(isAlone ? 0 : key, nowUs)).toBe(oracle.decide(1, nowUs) === "allowed");
        }
      }),
    );
  });

  it("wide enough keeps strangers apart", () => {
    const sketch = new CountMinWindow(PARAMS, { width: 4_096, depth: 4 }, 1);
    for (let key = 0; key < 100; key += 1) {
      const admitted = Array.from({ length: 6 }, () => sketch.ask(key, 10_000));
      expect(admitted).toEqual([true, true, true, true, true, false]);
    }
    expect(sketch.bytes).toBe(5 * 4_096 * 4 * 2);
  });
});
