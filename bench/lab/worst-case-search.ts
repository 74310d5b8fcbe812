/**
 * Looks for the traffic that makes a limiter admit the most within any one window: a hill climb over patterns of a
 * few stretches, each a run of evenly spaced questions (a burst where its length is 0).
 *
 *      asks  ▂▂▂▂▂▂▂▂▂▂        ┃               ▂▂▂▂▂▂▂▂▂▂▂▂
 *            └ stretch ┘      burst            └ stretch ┘        ──▶ time, three windows
 *
 * A pattern is changed a little, kept when it is at least as bad, and started over from a new one now and then. It
 * proves nothing by itself (a proof says how bad it can get); it shows that the proof's bound is reached by traffic
 * that could happen, and that no worse was found.
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { Prng } from "../../core/prng.ts";
import { mostInWindow, SingleKey } from "./single-key.ts";

const STRETCHES_MAX = 4;
const WINDOWS = 3;
/** Questions of one stretch, in limits. */
const ASKS_MAX_LIMITS = 2;
const CLIMB_LENGTH = 200;

interface Stretch {
  readonly fromUs: number;
  readonly lengthUs: number;
  readonly asks: number;
}

export interface WorstCase {
  /** The most units admitted in any (t − W, t]. */
  readonly units: number;
  /** In words. */
  readonly pattern: string;
}

/** @param patterns how many are tried */
export function worstCase(params: AlgorithmParams, seed: number, patterns: number): WorstCase {
  const prng = new Prng(seed);
  let worst: readonly Stretch[] = [];
  let worstUnits = -1;
  let current: readonly Stretch[] = [];
  let currentUnits = -1;
  for (let tried = 0; tried < patterns; tried += 1) {
    const isFresh = tried % CLIMB_LENGTH === 0;
    const candidate = isFresh ? randomPattern(params, prng) : changed(current, params, prng);
    const units = mostInWindow(admittedUs(params, candidate), params.windowUs);
    if (isFresh || units >= currentUnits) {
      current = candidate;
      currentUnits = units;
    }
    if (units <= worstUnits) continue;
    worst = candidate;
    worstUnits = units;
  }
  const pattern = pruned(params, worst, worstUnits).toSorted((left, right) => left.fromUs - right.fromUs);
  return { units: worstUnits, pattern: pattern.map((stretch) => spoken(stretch, params)).join(", ") };
}

/** The pattern without the stretches that make it no worse. */
function pruned(params: AlgorithmParams, pattern: readonly Stretch[], units: number): readonly Stretch[] {
  const without = pattern
    .map((_, at) => pattern.toSpliced(at, 1))
    .find((fewer) => mostInWindow(admittedUs(params, fewer), params.windowUs) >= units);
  return without === undefined ? pattern : pruned(params, without, units);
}

/** When units were admitted, ascending. */
function admittedUs(params: AlgorithmParams, pattern: readonly Stretch[]): number[] {
  const askedUs = pattern.flatMap(({ fromUs, lengthUs, asks }) =>
    Array.from({ length: asks }, (_, i) => fromUs + Math.floor((i * lengthUs) / asks)),
  );
  const key = new SingleKey(params);
  return askedUs
    .toSorted((left, right) => left - right)
    .filter((atUs) => key.ask(atUs).outcome === "allowed");
}

function randomPattern(params: AlgorithmParams, prng: Prng): Stretch[] {
  return Array.from({ length: 1 + prng.below(STRETCHES_MAX) }, () => randomStretch(params, prng));
}

function randomStretch({ limit, windowUs }: AlgorithmParams, prng: Prng): Stretch {
  return {
    fromUs: prng.below(WINDOWS * windowUs),
    lengthUs: prng.below(2) === 0 ? 0 : prng.below(windowUs),
    asks: 1 + prng.below(ASKS_MAX_LIMITS * limit),
  };
}

/** The pattern with one stretch moved, stretched, replaced, added or left out. */
function changed(pattern: readonly Stretch[], params: AlgorithmParams, prng: Prng): Stretch[] {
  const at = prng.below(pattern.length);
  const stretch = pattern[at] as Stretch;
  const { windowUs } = params;
  // Small steps and large ones alike.
  const step = prng.below(windowUs >>> prng.below(16)) - prng.below(windowUs >>> prng.below(16));
  switch (prng.below(5)) {
    case 0:
      return pattern.with(at, { ...stretch, fromUs: clamped(stretch.fromUs + step, WINDOWS * windowUs) });
    case 1:
      return pattern.with(at, { ...stretch, lengthUs: clamped(stretch.lengthUs + step, windowUs) });
    case 2:
      return pattern.with(at, randomStretch(params, prng));
    case 3:
      return pattern.length === STRETCHES_MAX ? [...pattern] : [...pattern, randomStretch(params, prng)];
    default:
      return pattern.length === 1 ? [...pattern] : pattern.toSpliced(at, 1);
  }
}

function clamped(us: number, maxUs: number): number {
  return Math.min(Math.max(us, 0), maxUs);
}

function spoken({ fromUs, lengthUs, asks }: Stretch, { windowUs }: AlgorithmParams): string {
  const from = (fromUs / windowUs).toFixed(3);
  return lengthUs === 0
    ? `${asks} at ${from} W`
    : `${asks} from ${from} W over ${(lengthUs / windowUs).toFixed(3)} W`;
}
