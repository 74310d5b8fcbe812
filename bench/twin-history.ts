/**
 * Random policies and random traffic for two implementations of one specification, where limiters break: nothing
 * at all between two requests, whole windows and one microsecond beside them, boundaries, the emission interval,
 * a clock that steps back, costs beyond the capacity, usage reported after the fact, units given back.
 *
 * Only policies that both sides decide exactly: algorithms/ rounds rates whose fraction does not fit its few bits.
 */
import type { AlgorithmName, AlgorithmParams } from "../algorithms/algorithm.ts";
import { MomentField } from "../algorithms/modular-time.ts";
import { createAlgorithm, UNITS_MAX, WINDOW_MAX_US, WINDOW_MIN_US } from "../algorithms/registry.ts";
import type { Prng } from "../core/prng.ts";
import { micros, US_PER_S } from "../core/units.ts";
import { scriptNumbers } from "../lua/limiter-params.ts";
import type { Mode } from "../lua/script-protocol.ts";

export interface Question {
  readonly mode: Mode;
  readonly key: number;
  readonly cost: number;
  /** By the caller's clock, which may step back. */
  readonly nowUs: number;
}

/** A question as drawn: who was denied before may come back for it so long after the moment it was told. */
export interface Draft extends Question {
  readonly comesBackUs?: number;
}

/** A moment in 2023. */
const START_US = 1_700_000_000 * US_PER_S;
const EARLIEST_US = START_US / 2;
/** In the year 2112: the latest that scripts take. */
export const LATEST_US = 2 ** 52;
export const BUCKETS: ReadonlySet<AlgorithmName> = new Set([
  "token-bucket",
  "leaky-bucket",
  "leaky-queue",
  "gcra",
]);
/** Of ten questions. */
const MODES: readonly Mode[] = [...Array<Mode>(8).fill("check"), "report", "refund"];
const SLIDING_WEIGHT_MAX = 2 ** 51;

export function randomParams(algorithm: AlgorithmName, prng: Prng): AlgorithmParams {
  for (;;) {
    const limit = prng.ratio(1, 2) ? 1 + prng.below(20) : magnitude(prng, 1, UNITS_MAX);
    const windowUs = prng.ratio(1, 2)
      ? oneOf(prng, [1_000, 10_000, US_PER_S, 60 * US_PER_S, 3_600 * US_PER_S])
      : magnitude(prng, WINDOW_MIN_US, WINDOW_MAX_US);
    const burst = prng.ratio(1, 2) ? 1 + prng.below(20) : magnitude(prng, 1, UNITS_MAX);
    const params: AlgorithmParams = {
      algorithm,
      limit: prng.ratio(1, 50) ? 0 : limit,
      windowUs: micros(windowUs),
      ...(prng.ratio(1, 2) ? { burst } : {}),
      ...(prng.ratio(1, 2) ? { subWindows: 1 + prng.below(64) } : {}),
    };
    if (isExactOnBothSides(params)) return params;
  }
}

export function isExactOnBothSides(params: AlgorithmParams): boolean {
  const { algorithm, limit, windowUs, burst = limit } = params;
  try {
    createAlgorithm(params);
    scriptNumbers(params);
  } catch {
    return false;
  }
  if (algorithm === "sliding-window") return limit * windowUs <= SLIDING_WEIGHT_MAX;
  if (limit === 0 || !BUCKETS.has(algorithm)) return true;
  const { num, den } = new MomentField(limit, windowUs, burst);
  return BigInt(num) * BigInt(limit) === BigInt(den) * BigInt(windowUs);
}

export function randomQuestions(
  params: AlgorithmParams,
  prng: Prng,
  { length, keys }: { readonly length: number; readonly keys: number },
): Draft[] {
  let nowUs = START_US + prng.below(US_PER_S);
  return Array.from({ length }, () => {
    nowUs = Math.min(LATEST_US, Math.max(EARLIEST_US, nextUs(params, prng, nowUs)));
    const draft = {
      mode: oneOf(prng, MODES),
      key: prng.below(keys),
      cost: randomCost(params, prng),
      nowUs,
    };
    return prng.ratio(1, 8) ? { ...draft, comesBackUs: prng.below(3) - 1 } : draft;
  });
}

function nextUs({ limit, windowUs, subWindows = 10 }: AlgorithmParams, prng: Prng, nowUs: number): number {
  const intervalUs = Math.ceil(windowUs / Math.max(1, limit));
  const beside = prng.below(3) - 1;
  const subWindowUs = Math.ceil(windowUs / subWindows);
  switch (prng.below(20)) {
    case 0:
      return nowUs + 1;
    case 1:
    case 2:
      return nowUs + Math.floor(prng.fraction() * 2 * intervalUs);
    case 3:
      return nowUs + intervalUs + beside;
    case 4:
    case 5:
      return nowUs + Math.floor((prng.fraction() * windowUs) / 4);
    case 6:
      return nowUs + Math.floor(prng.fraction() * 2 * windowUs);
    case 7:
      return nowUs + windowUs + beside;
    case 8:
      return (Math.floor(nowUs / windowUs) + 1) * windowUs + beside;
    case 9:
      return (Math.floor(nowUs / subWindowUs) + 1) * subWindowUs + beside;
    case 10:
    case 11:
      return nowUs - 1 - Math.floor((prng.fraction() * windowUs) / oneOf(prng, [1, 10, 1_000]));
    default:
      return nowUs;
  }
}

function randomCost(params: AlgorithmParams, prng: Prng): number {
  const capacity = Math.max(1, capacityOf(params));
  switch (prng.below(12)) {
    case 0:
      return 0;
    case 1:
      return capacity;
    case 2:
      return Math.min(UNITS_MAX, capacity + 1 + prng.below(capacity));
    case 3:
    case 4:
    case 5:
      return Math.ceil((prng.fraction() * capacity) / 4);
    case 6:
    case 7:
      return Math.ceil(prng.fraction() * capacity);
    default:
      return 1;
  }
}

function capacityOf({ algorithm, limit, burst = limit }: AlgorithmParams): number {
  return BUCKETS.has(algorithm) && limit > 0 ? burst : limit;
}

/** Every order of magnitude is equally likely. */
function magnitude(prng: Prng, min: number, max: number): number {
  return Math.min(max, Math.round(min * (max / min) ** prng.fraction()));
}

function oneOf<Value>(prng: Prng, values: readonly Value[]): Value {
  return values[prng.below(values.length)] as Value;
}
