import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AlgorithmParams } from "../../../algorithms/algorithm.ts";
import { PackedCounter } from "../../../bench/lab/packed-counter.ts";
import { expectedOutcome, Oracle, type Admission } from "../../../bench/oracle.ts";
import { micros } from "../../../core/units.ts";

const WINDOW_US = micros(1_000);
/** Whole windows and halves among them, for their edges. */
const GAP_US = fc.oneof(fc.constant(0), fc.nat(60), fc.constantFrom(500, 1_000), fc.nat(1_500));
const GAPS_US = fc.array(GAP_US, { minLength: 40, maxLength: 160 });

function paramsOf(limit: number): AlgorithmParams {
  return { algorithm: "sliding-window", limit, windowUs: WINDOW_US };
}

describe("a sliding counter in one value", () => {
  it("decides as two windows do, unit by unit, while both counts fit", () => {
    fc.assert(
      fc.property(
        GAPS_US,
        fc.integer({ min: 1, max: 31 }),
        fc.constantFrom(10, 16, 53),
        (gaps, limit, bits) => {
          const counter = new PackedCounter(paramsOf(limit), bits);
          const oracle = new Oracle(paramsOf(limit));
          expect(counter.quantum).toBe(1);
          let nowUs = 0;
          for (const gapUs of gaps) {
            nowUs += gapUs;
            expect(counter.ask(nowUs)).toBe(oracle.decide(1, nowUs) === "allowed");
          }
        },
      ),
    );
  });

  it("with too few bits lets nothing pass that two windows would refuse, and refuses less than a quantum", () => {
    fc.assert(
      fc.property(
        GAPS_US,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 6 }),
        (gaps, limit, spare) => {
          const bits = 32 - Math.clz32(limit) + spare;
          const counter = new PackedCounter(paramsOf(limit), bits);
          const admissions: Admission[] = [];
          let nowUs = 0;
          for (const gapUs of gaps) {
            nowUs += gapUs;
            const isAllowed = counter.ask(nowUs);
            const byTheBook = (cost: number): boolean =>
              expectedOutcome(paramsOf(limit), admissions, cost, nowUs) === "allowed";
            if (isAllowed) expect(byTheBook(1)).toBe(true);
            else expect(byTheBook(counter.quantum)).toBe(false);
            if (isAllowed) admissions.push({ atUs: nowUs, cost: 1 });
            expect(counter.value).toBeLessThan(2 ** bits);
          }
        },
      ),
    );
  });

  it.each([
    [100, 16, 1],
    [127, 14, 1],
    [127, 13, 3],
    [100, 8, 100],
    [67_108_864, 53, 2],
    [67_108_863, 53, 1],
  ])("counts the last window of a limit of %i in %i bits in quanta of %i", (limit, bits, quantum) => {
    expect(new PackedCounter(paramsOf(limit), bits).quantum).toBe(quantum);
  });

  it("fits wherever a bit is left", () => {
    expect(PackedCounter.fits(127, 7)).toBe(false);
    expect(PackedCounter.fits(127, 8)).toBe(true);
  });
});
