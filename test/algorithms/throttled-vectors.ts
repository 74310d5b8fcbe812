/**
 * The table that throttled (rate_test.go) and redis-cell (cell/mod.rs) test themselves with: one unit per
 * second, five at once. Ours tells 0 where they tell −1 (no wait) and Infinity where no wait helps.
 *
 * One divergence: throttled answers a cost beyond the capacity with a full bucket, whatever is in it.
 * redis-cell and PARL answer with what really remains (the last row but one).
 */
import { expect } from "vitest";
import type { AlgorithmName } from "../../algorithms/algorithm.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { START_US } from "./histories.ts";
import { NamedLimiter } from "./named-limiter.ts";

type Row = readonly [
  atS: number,
  cost: number,
  outcome: string,
  remaining: number,
  resetS: number,
  retryS: number,
];

export const THROTTLED_ROWS: readonly Row[] = [
  [0, 6, "unsatisfiable", 5, 0, Infinity],
  [0, 1, "allowed", 4, 1, 0],
  [0, 1, "allowed", 3, 2, 0],
  [0, 1, "allowed", 2, 3, 0],
  [0, 1, "allowed", 1, 4, 0],
  [0, 1, "allowed", 0, 5, 0],
  [0, 1, "denied", 0, 5, 1],
  [3, 1, "allowed", 2, 3, 0],
  [3.1, 1, "allowed", 1, 3.9, 0],
  [4, 1, "allowed", 1, 4, 0],
  [8, 1, "allowed", 4, 1, 0],
  [9.5, 1, "allowed", 4, 1, 0],
  [9.5, 0, "allowed", 4, 1, 0],
  [9.5, 2, "allowed", 2, 3, 0],
  [9.5, 5, "denied", 2, 3, 3],
  [9.5, 6, "unsatisfiable", 2, 3, Infinity],
  [15, 6, "unsatisfiable", 5, 0, Infinity],
];

export function expectThrottledVectors(algorithm: AlgorithmName): void {
  const limiter = new NamedLimiter({ algorithm, limit: 1, windowUs: micros(US_PER_S), burst: 5 });
  const answers = THROTTLED_ROWS.map(([atS, cost]): Row => {
    const verdict = limiter.decide("k", cost, START_US + atS * US_PER_S);
    const { outcome, remaining, resetAfterUs, retryAfterUs } = verdict;
    return [atS, cost, outcome, remaining, resetAfterUs / US_PER_S, retryAfterUs / US_PER_S];
  });
  expect(answers).toEqual(THROTTLED_ROWS);
}
