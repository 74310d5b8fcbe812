import { describe, expect, it } from "vitest";
import { LATENCY_BOUNDS_US, LatencyHistogram } from "../../core/latency-histogram.ts";
import { Prng } from "../../core/prng.ts";

function histogramOf(...values: number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

describe("LatencyHistogram", () => {
  it("has bounds that grow by a quarter of an octave, up to half a minute", () => {
    expect(LATENCY_BOUNDS_US.slice(0, 9)).toEqual([1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4]);
    expect(LATENCY_BOUNDS_US.at(-1)).toBe(2 ** 25);
  });

  it("puts every value into the first bucket whose bound covers it", () => {
    const prng = new Prng(5);
    const values = Array.from({ length: 20_000 }, () => prng.fraction() * 2 ** prng.below(27));
    for (const value of [...values, ...LATENCY_BOUNDS_US, 0, 2 ** 25 + 1, 2 ** 33]) {
      const expected = LATENCY_BOUNDS_US.findIndex((bound) => value <= bound);
      const bucket = histogramOf(value).counts.indexOf(1);
      if (bucket !== (expected < 0 ? LATENCY_BOUNDS_US.length : expected)) {
        throw new Error(`${value} µs is in bucket ${bucket}, not ${expected}`);
      }
    }
  });

  it("tells quantiles that are never too low, and at most a quarter of an octave too high", () => {
    const prng = new Prng(6);
    const values = Array.from({ length: 1_000 }, () => 1 + prng.fraction() * 2 ** prng.below(24));
    const sorted = values.toSorted((a, b) => a - b);
    const histogram = histogramOf(...values);
    for (const q of [0.001, 0.5, 0.95, 0.99, 1]) {
      const exact = sorted[Math.ceil(q * 1_000) - 1] as number;
      expect(histogram.quantileUs(q)).toBeGreaterThanOrEqual(exact);
      expect(histogram.quantileUs(q)).toBeLessThanOrEqual(exact * 1.25);
    }
  });

  it("counts one value for many, and keeps their sum", () => {
    const histogram = new LatencyHistogram();
    histogram.record(3, 10);
    histogram.record(40, 2);
    expect(histogram.count).toBe(12);
    expect(histogram.sumUs).toBe(110);
    expect(histogram.quantileUs(0.5)).toBe(3);
  });

  it("has nothing to tell when it is empty, and says when a value was beyond its bounds", () => {
    expect(new LatencyHistogram().quantileUs(0.99)).toBe(0);
    expect(histogramOf(2 ** 26).quantileUs(0.5)).toBe(Infinity);
  });

  it("loses nothing, not even what is no number", () => {
    expect(histogramOf(Number.NaN, -1, Infinity).count).toBe(3);
  });
});
