/**
 * What a policy says, and the whole numbers that a script decides with. The scripts are exact or they are not
 * called: numbers whose products would leave what a double holds are refused here, when a limiter is made.
 */
import { invalidArgument } from "../core/errors.ts";
import type { Micros } from "../core/units.ts";

export const REDIS_ALGORITHMS = [
  "fixed-window",
  "sliding-log",
  "sliding-window",
  "token-bucket",
  "leaky-bucket",
  "leaky-queue",
  "gcra",
  "conservative-window",
] as const;
export type RedisAlgorithm = (typeof REDIS_ALGORITHMS)[number];

export interface RedisLimiterParams {
  readonly algorithm: RedisAlgorithm;
  /** Quota units per window; 0 denies everything. */
  readonly limit: number;
  readonly windowUs: Micros;
  /** Capacity of the bucket and queue algorithms; the limit when absent. Windows have none. */
  readonly burst?: number;
  /** Conservative window only: sub-windows per window, 10 when absent. */
  readonly subWindows?: number;
}

/** Limits and costs are at most this. */
const UNITS_MAX = 2 ** 31 - 1;
const WINDOW_MIN_US = 1_000;
/** 366 days. */
const WINDOW_MAX_US = 366 * 86_400_000_000;
export const SUB_WINDOWS_DEFAULT = 10;
const SUB_WINDOWS_MAX = 64;

/** A full bucket in ticks; what is owed may be twice that (includes/debt.lua). */
const CAPACITY_TICKS_MAX = 2 ** 51;
/** Counts times microseconds of a window (sliding-window.lua). */
const WEIGHT_MAX = Number.MAX_SAFE_INTEGER;

const BUCKETS: ReadonlySet<RedisAlgorithm> = new Set(["token-bucket", "leaky-bucket", "leaky-queue", "gcra"]);

/** Every number that a header may ask for, by its name there; a script takes what concerns it. */
export type ScriptNumbers = Readonly<Record<string, number>>;

/** @throws ParlError PARL_INVALID_ARGUMENT naming the parameter out of range, or too large to be exact */
export function scriptNumbers(params: RedisLimiterParams): ScriptNumbers {
  const { algorithm, limit, windowUs, subWindows = SUB_WINDOWS_DEFAULT } = params;
  if (!REDIS_ALGORITHMS.includes(algorithm)) {
    throw invalidArgument("algorithm", `one of ${REDIS_ALGORITHMS.join(", ")}`, algorithm);
  }
  checkRange("limit", limit, 0, UNITS_MAX);
  checkRange("windowUs", windowUs, WINDOW_MIN_US, WINDOW_MAX_US);
  if (params.burst !== undefined) checkRange("burst", params.burst, 1, UNITS_MAX);
  checkRange("subWindows", subWindows, 1, SUB_WINDOWS_MAX);
  if (BUCKETS.has(algorithm)) return bucketNumbers(params);
  if (algorithm === "sliding-window" && limit * windowUs > WEIGHT_MAX) {
    throw invalidArgument("limit", "exact in Redis (limit × window in µs below 2^53; lower one)", limit);
  }
  return {
    capacity: limit,
    window_us: windowUs,
    sub_windows: subWindows,
    sub_window_us: Math.ceil(windowUs / subWindows),
  };
}

function bucketNumbers({ limit, windowUs, burst }: RedisLimiterParams): ScriptNumbers {
  // No rate at all. Nothing can be asked of such a key, so it does not matter how fast a report wears off.
  if (limit === 0) return { capacity: 0, interval: 1, ticks_per_us: 1 };
  const capacity = burst ?? limit;
  const divisor = greatestCommonDivisor(limit, windowUs);
  const interval = windowUs / divisor;
  if (capacity * interval > CAPACITY_TICKS_MAX) {
    throw invalidArgument(
      burst === undefined ? "limit" : "burst",
      `exact in Redis (burst × window in µs ÷ their divisor ${divisor} at most 2^51; a rounder limit or window helps)`,
      capacity,
    );
  }
  return { capacity, interval, ticks_per_us: limit / divisor };
}

function checkRange(field: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw invalidArgument(field, `a whole number from ${min} to ${max}`, value);
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
