import { describe, expect, it } from "vitest";
import type { AlgorithmName, AlgorithmParams } from "../../../algorithms/algorithm.ts";
import { mostInWindow } from "../../../bench/lab/single-key.ts";
import { worstCase } from "../../../bench/lab/worst-case-search.ts";
import { micros, US_PER_S } from "../../../core/units.ts";

const WINDOW_US = micros(10 * US_PER_S);

function params(algorithm: AlgorithmName, limit: number, burst = limit): AlgorithmParams {
  return { algorithm, limit, windowUs: WINDOW_US, ...(algorithm === "gcra" && { burst }) };
}

describe("the search for the worst traffic", () => {
  it.each([
    [params("fixed-window", 20), 40],
    [params("gcra", 20), 39],
    [params("gcra", 20, 1), 20],
    [params("sliding-log", 20), 20],
    [params("conservative-window", 20), 20],
  ])("finds what is known to be the worst of %j", (policy, units) => {
    expect(worstCase(policy, 1, 1_000).units).toBe(units);
  });

  it("finds the sliding counter's own worst case, almost two limits in a window", () => {
    const { units } = worstCase(params("sliding-window", 20), 1, 1_000);
    expect(units).toBeGreaterThanOrEqual(38);
    expect(units).toBeLessThan(40);
  });

  it("tells the traffic without what makes it no worse: for a fixed window, one burst on each side", () => {
    expect(worstCase(params("fixed-window", 20), 1, 1_000).pattern.split(", ")).toHaveLength(2);
  });
});

describe("the most units in a window", () => {
  it("counts a unit that is just younger than the window, and none that is as old", () => {
    expect(mostInWindow([0, WINDOW_US - 1], WINDOW_US)).toBe(2);
    expect(mostInWindow([0, WINDOW_US], WINDOW_US)).toBe(1);
    expect(mostInWindow([], WINDOW_US)).toBe(0);
  });
});
