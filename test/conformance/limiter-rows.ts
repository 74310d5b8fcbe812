/**
 * What each algorithm answers, worked out by hand for 10 units per 10 s (one unit per second, sub-windows of
 * 1 s) from a moment `T0` at which a window and a sub-window start.
 */
import type { AlgorithmName } from "../../algorithms/algorithm.ts";

export type Row = readonly [
  atS: number,
  cost: number,
  outcome: string,
  remaining: number,
  retryAfterS: number,
  resetAfterS: number,
  delayS: number,
];

const BUCKET_ROWS: readonly Row[] = [
  [2.5, 4, "allowed", 6, 0, 4, 0],
  [4.5, 6, "allowed", 2, 0, 8, 0],
  [4.5, 3, "denied", 2, 1, 8, 0],
  [7, 3, "allowed", 1, 0, 8.5, 0],
  [7, 0, "allowed", 1, 0, 8.5, 0],
];

/** The same five checks, answered by each algorithm. */
export const ROWS: Record<AlgorithmName, readonly Row[]> = {
  gcra: BUCKET_ROWS,
  "token-bucket": BUCKET_ROWS,
  "leaky-bucket": BUCKET_ROWS,
  "leaky-queue": [
    [2.5, 4, "allowed", 6, 0, 4, 0],
    [4.5, 6, "allowed", 2, 0, 8, 2],
    [4.5, 3, "denied", 2, 1, 8, 0],
    [7, 3, "allowed", 1, 0, 8.5, 5.5],
    [7, 0, "allowed", 1, 0, 8.5, 8.5],
  ],
  "fixed-window": [
    [2.5, 4, "allowed", 6, 0, 7.5, 0],
    [4.5, 6, "allowed", 0, 0, 5.5, 0],
    [4.5, 3, "denied", 0, 5.5, 5.5, 0],
    [7, 3, "denied", 0, 3, 3, 0],
    [7, 0, "allowed", 0, 0, 3, 0],
  ],
  "sliding-log": [
    [2.5, 4, "allowed", 6, 0, 10, 0],
    [4.5, 6, "allowed", 0, 0, 10, 0],
    [4.5, 3, "denied", 0, 8, 10, 0],
    [7, 3, "denied", 0, 5.5, 7.5, 0],
    [7, 0, "allowed", 0, 0, 7.5, 0],
  ],
  // At 13 s the ten units of the first window weigh 7, which leaves room for 3.
  "sliding-window": [
    [2.5, 4, "allowed", 6, 0, 17.5, 0],
    [4.5, 6, "allowed", 0, 0, 15.5, 0],
    [4.5, 3, "denied", 0, 8.5, 15.5, 0],
    [7, 3, "denied", 0, 6, 13, 0],
    [7, 0, "allowed", 0, 0, 13, 0],
  ],
  // Sub-windows of 1 s: what was charged in the third of them counts until 13 s.
  "conservative-window": [
    [2.5, 4, "allowed", 6, 0, 10.5, 0],
    [4.5, 6, "allowed", 0, 0, 10.5, 0],
    [4.5, 3, "denied", 0, 8.5, 10.5, 0],
    [7, 3, "denied", 0, 6, 8, 0],
    [7, 0, "allowed", 0, 0, 8, 0],
  ],
};

/** Until one unit fits again after 15 of 10 were reported at `T0`. */
export const DEBT_WAIT_MS: Record<AlgorithmName, number> = {
  gcra: 6_000,
  "token-bucket": 6_000,
  "leaky-bucket": 6_000,
  "leaky-queue": 6_000,
  "fixed-window": 10_000,
  "sliding-log": 10_000,
  // 15 units fade to 9 when 4 s of the next window have passed.
  "sliding-window": 14_000,
  "conservative-window": 11_000,
};

/** Those that would owe for ever longer, so that what they owe has a bound of its own. */
export const OWE_LONGER: readonly AlgorithmName[] = ["gcra", "token-bucket", "leaky-bucket", "leaky-queue"];
