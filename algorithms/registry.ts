/** From what a policy says to the algorithm that does it. */
import { invalidArgument } from "../core/errors.ts";
import type { Algorithm, AlgorithmName, AlgorithmParams } from "./algorithm.ts";
import { ConservativeWindow } from "./conservative-window.ts";
import { FixedWindow } from "./fixed-window.ts";
import { Gcra } from "./gcra.ts";
import { LeakyBucket } from "./leaky-bucket.ts";
import { LeakyQueue } from "./leaky-queue.ts";
import { BURST_WORTH_MAX_US, MomentField } from "./modular-time.ts";
import { SlidingLog } from "./sliding-log.ts";
import { SlidingWindow } from "./sliding-window.ts";
import { TokenBucket } from "./token-bucket.ts";

/** The algorithms that keep moments at a rate. */
const BUCKETS: ReadonlySet<AlgorithmName> = new Set(["token-bucket", "leaky-bucket", "leaky-queue", "gcra"]);

/** Limits and costs are at most this, so that 32-bit counts and exact products hold. */
export const UNITS_MAX = 2 ** 31 - 1;
/** Window ids repeat after 65,536 windows and a sweep must go round before. */
export const WINDOW_MIN_US = 1_000;
/** 366 days. */
export const WINDOW_MAX_US = 366 * 86_400_000_000;

/**
 * Makes the algorithm of one key table.
 *
 * @param previous the algorithm whose keys are to be taken over (KeyedLimiter.retune)
 * @throws ParlError PARL_INVALID_ARGUMENT naming the parameter out of range
 */
export function createAlgorithm(params: AlgorithmParams, previous?: Algorithm): Algorithm {
  validate(params);
  switch (params.algorithm) {
    case "fixed-window":
      return new FixedWindow(params);
    case "sliding-log":
      return new SlidingLog(params, previous instanceof SlidingLog ? previous : undefined);
    case "sliding-window":
      return new SlidingWindow(params);
    case "token-bucket":
      return new TokenBucket(params);
    case "leaky-bucket":
      return new LeakyBucket(params);
    case "leaky-queue":
      return new LeakyQueue(params);
    case "gcra":
      return new Gcra(params);
    case "conservative-window":
      return new ConservativeWindow(params);
  }
}

/** Whether two policies mean the same numbers. */
export function isSameParams(a: AlgorithmParams, b: AlgorithmParams): boolean {
  return (
    a.algorithm === b.algorithm &&
    a.limit === b.limit &&
    a.windowUs === b.windowUs &&
    a.burst === b.burst &&
    a.subWindows === b.subWindows
  );
}

/** Whether keys decided under `before` can go on under `after` with their debt (KeyedLimiter.retune). */
export function canRetune(before: AlgorithmParams, after: AlgorithmParams): boolean {
  return (
    before.algorithm === after.algorithm &&
    before.windowUs === after.windowUs &&
    before.subWindows === after.subWindows &&
    before.limit > 0 &&
    after.limit > 0
  );
}

function validate(params: AlgorithmParams): void {
  const { limit, windowUs, subWindows } = params;
  checkRange("limit", limit, 0, UNITS_MAX);
  checkRange("windowUs", windowUs, WINDOW_MIN_US, WINDOW_MAX_US);
  if (params.burst !== undefined) checkRange("burst", params.burst, 1, UNITS_MAX);
  if (subWindows !== undefined) checkRange("subWindows", subWindows, 1, 64);
  if (!BUCKETS.has(params.algorithm) || limit === 0) return;
  if (((params.burst ?? limit) * windowUs) / limit > BURST_WORTH_MAX_US) {
    throw invalidArgument(
      "burst",
      "worth at most 400 days of its rate (burst × window / limit)",
      params.burst,
    );
  }
  checkRate(params);
}

/** Rounding may take at most this share of a rate; only rates of thousands of units a microsecond lose more. */
const RATE_LOSS_MAX = 0.01;

function checkRate({ limit, windowUs, burst }: AlgorithmParams): void {
  const { num, den } = new MomentField(limit, windowUs, burst ?? limit);
  if (num * limit <= (1 + RATE_LOSS_MAX) * den * windowUs) return;
  throw invalidArgument("limit", "a rate that can be kept to 1 % (lower it, or the burst)", limit);
}

function checkRange(field: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw invalidArgument(field, `a whole number from ${min} to ${max}`, value);
}
