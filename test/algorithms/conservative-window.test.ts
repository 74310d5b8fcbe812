import { expect, it } from "vitest";
import { micros, US_PER_S } from "../../core/units.ts";
import { NamedLimiter } from "./named-limiter.ts";

/** The start of a window of 10 s and of 11 sub-windows of 1 s. */
const START_US = 110 * 15_454_545 * US_PER_S;

function conservative(limit: number, windowUs: number, subWindows?: number): NamedLimiter {
  return new NamedLimiter({
    algorithm: "conservative-window",
    limit,
    windowUs: micros(windowUs),
    ...(subWindows === undefined ? {} : { subWindows }),
  });
}

/** Moments, in µs from the start, at which somebody who asks every `stepUs` is admitted. */
function admissions(limiter: NamedLimiter, stepUs: number, untilUs: number): number[] {
  const admitted: number[] = [];
  for (let atUs = 0; atUs < untilUs; atUs += stepUs) {
    if (limiter.decide("k", 1, START_US + atUs).outcome === "allowed") admitted.push(atUs);
  }
  return admitted;
}

it("counts the oldest sub-window in full until it has left the window altogether", () => {
  const limiter = conservative(10, 10 * US_PER_S);
  const lastUs = START_US + US_PER_S - 1;
  limiter.decide("k", 10, lastUs);
  expect(limiter.decide("k", 1, lastUs).retryAfterUs).toBe(10 * US_PER_S + 1);
});

it("gives a steady load n of n + 1 parts of its limit", () => {
  const windows = 11;
  for (const [subWindows, share] of [
    [undefined, 10 / 11],
    [1, 1 / 2],
    [4, 4 / 5],
  ] as const) {
    const admitted = admissions(conservative(10, 10 * US_PER_S, subWindows), 50_000, windows * 10 * US_PER_S);
    expect(Math.abs(admitted.length - share * windows * 10)).toBeLessThanOrEqual(10);
  }
});

it("covers a window that does not divide into its sub-windows", () => {
  const windowUs = 10_007;
  const admitted = admissions(conservative(3, windowUs, 7), 1, 20 * windowUs);
  expect(admitted.length).toBeGreaterThan(45);
  for (const [i, atUs] of admitted.entries()) {
    expect(
      admitted.filter((other) => other > atUs - windowUs && other <= atUs).length,
      `admission ${i}`,
    ).toBeLessThanOrEqual(3);
  }
});
