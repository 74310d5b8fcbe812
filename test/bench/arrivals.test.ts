import { describe, expect, it } from "vitest";
import { Arrivals } from "../../bench/arrivals.ts";
import { Prng } from "../../core/prng.ts";
import { US_PER_S } from "../../core/units.ts";

function arrivals(rate: number, durationS: number, bursts?: Prng): number[] {
  const source = new Arrivals(rate, durationS * US_PER_S, new Prng(11), bursts);
  const moments: number[] = [];
  for (let atUs = source.next(); atUs !== undefined; atUs = source.next()) moments.push(atUs);
  return moments;
}

/** Arrivals in every tenth of a second. */
function perDecisecond(moments: readonly number[], durationS: number): number[] {
  const counts = Array.from({ length: durationS * 10 }, () => 0);
  for (const atUs of moments) counts[Math.floor(atUs / 100_000)]! += 1;
  return counts;
}

describe("steady arrivals", () => {
  it("are Poisson: mean and variance of the counts agree with the rate", () => {
    const counts = perDecisecond(arrivals(5_000, 20), 20);
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / (counts.length - 1);
    expect(mean).toBeGreaterThan(490);
    expect(mean).toBeLessThan(510);
    expect(variance / mean).toBeGreaterThan(0.7);
    expect(variance / mean).toBeLessThan(1.4);
  });

  it("are ordered whole microseconds within the duration", () => {
    const moments = arrivals(50_000, 1);
    expect(moments.every((atUs, index) => Number.isInteger(atUs) && atUs >= (moments[index - 1] ?? 0))).toBe(
      true,
    );
    expect(moments.at(-1)).toBeLessThan(US_PER_S);
  });
});

describe("spiky arrivals", () => {
  it("jump to 5–10 times the baseline for 1–2 s, 2–6 s apart", () => {
    const counts = perDecisecond(arrivals(2_000, 60, new Prng(5)), 60);
    // Between 1.5 and 4.5 baselines there are only deciseconds cut by a jump.
    const levels = counts.map((count) => (count > 600 ? "burst" : "quiet"));
    const runs = levels
      .join(" ")
      .match(/(burst ?)+|(quiet ?)+/g)!
      .map((run) => run.trim().split(" "))
      .slice(0, -1);
    expect(runs.length).toBeGreaterThan(10);
    for (const run of runs) {
      const isBurst = run[0] === "burst";
      expect(run.length).toBeGreaterThanOrEqual(isBurst ? 9 : 19);
      expect(run.length).toBeLessThanOrEqual(isBurst ? 21 : 61);
    }
    expect(Math.max(...counts)).toBeGreaterThan(900);
    expect(Math.max(...counts)).toBeLessThan(2_200);
  });
});
