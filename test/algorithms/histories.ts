/**
 * Random policies and random traffic, with the edges where limiters break drawn often: whole windows and one
 * microsecond beside them, the next boundary, multiples of the emission interval, nothing at all.
 */
import * as fc from "fast-check";
import type { AlgorithmName, AlgorithmParams } from "../../algorithms/algorithm.ts";
import { createAlgorithm, UNITS_MAX, WINDOW_MAX_US, WINDOW_MIN_US } from "../../algorithms/registry.ts";
import { micros, US_PER_S } from "../../core/units.ts";

/** A moment in 2023; far enough from zero for any window. */
export const START_US = 1_700_000_000 * US_PER_S;

interface Step {
  readonly kind: "decide" | "charge" | "refund";
  readonly key: number;
  readonly cost: number;
  readonly gap: Gap;
}

/** So many microseconds on (or back, when negative), or to a place beside the next multiple of a period. */
export type Gap = { readonly us: number } | { readonly periodUs: number; readonly besideUs: number };

const KINDS = ["decide", "decide", "decide", "decide", "charge", "refund"] as const;

export interface History {
  readonly params: AlgorithmParams;
  readonly steps: readonly Step[];
}

export function after(nowUs: number, gap: Gap): number {
  if ("us" in gap) return nowUs + gap.us;
  return (Math.floor(nowUs / gap.periodUs) + 1) * gap.periodUs + gap.besideUs;
}

/** Whole numbers from `min` to `max`, every magnitude equally likely. */
export function magnitudes(min: number, max: number): fc.Arbitrary<number> {
  return fc
    .double({ min: Math.log(min), max: Math.log(max), noNaN: true })
    .map((log) => Math.min(max, Math.max(min, Math.round(Math.exp(log)))));
}

/** Any policy that is accepted, up to the largest numbers. */
export function anyParams(algorithm: AlgorithmName): fc.Arbitrary<AlgorithmParams> {
  return fc
    .record({
      limit: fc.oneof(fc.integer({ min: 1, max: 20 }), magnitudes(1, UNITS_MAX)),
      windowUs: fc.oneof(
        fc.constantFrom(1_000, 10_000, US_PER_S, 60 * US_PER_S),
        magnitudes(WINDOW_MIN_US, WINDOW_MAX_US),
      ),
      burst: fc.option(fc.oneof(fc.integer({ min: 1, max: 20 }), magnitudes(1, UNITS_MAX))),
      subWindows: fc.option(fc.integer({ min: 1, max: 64 })),
    })
    .map((params) => paramsOf(algorithm, params))
    .filter(isAccepted);
}

export function isAccepted(params: AlgorithmParams): boolean {
  try {
    return createAlgorithm(params).name === params.algorithm;
  } catch {
    return false;
  }
}

/** Policies whose emission interval is kept exactly, and whose histories a formula can follow. */
export function exactParams(algorithm: AlgorithmName): fc.Arbitrary<AlgorithmParams> {
  return fc
    .record({
      limit: fc.integer({ min: 1, max: 40 }),
      windowUs: fc.oneof(
        fc.constantFrom(1_000, 10_000, US_PER_S, 3_600 * US_PER_S),
        fc.integer({ min: WINDOW_MIN_US, max: 3 * US_PER_S }),
      ),
      burst: fc.option(fc.integer({ min: 1, max: 60 })),
      subWindows: fc.option(fc.integer({ min: 1, max: 12 })),
    })
    .map((params) => paramsOf(algorithm, params));
}

interface Numbers {
  readonly limit: number;
  readonly windowUs: number;
  readonly burst: number | null;
  readonly subWindows: number | null;
}

function paramsOf(
  algorithm: AlgorithmName,
  { limit, windowUs, burst, subWindows }: Numbers,
): AlgorithmParams {
  return {
    algorithm,
    limit,
    windowUs: micros(windowUs),
    ...(burst === null ? {} : { burst }),
    ...(subWindows === null ? {} : { subWindows }),
  };
}

/** A policy and traffic that fits it. `gaps` replaces the usual mixture of times. */
export function histories(
  params: fc.Arbitrary<AlgorithmParams>,
  gaps: (params: AlgorithmParams) => fc.Arbitrary<Gap> = usualGaps,
): fc.Arbitrary<History> {
  return params.chain((chosen) =>
    fc.record({
      params: fc.constant(chosen),
      steps: fc.array(
        fc.record({
          kind: fc.constantFrom(...KINDS),
          key: fc.integer({ min: 0, max: 2 }),
          cost: costs(chosen.burst ?? chosen.limit),
          gap: gaps(chosen),
        }),
        { maxLength: 40, size: "max" },
      ),
    }),
  );
}

function costs(capacity: number): fc.Arbitrary<number> {
  const most = Math.min(capacity + 1, UNITS_MAX);
  return fc.oneof(fc.constantFrom(0, 1, 1, capacity, most), fc.integer({ min: 0, max: most }));
}

export function usualGaps({ limit, windowUs }: AlgorithmParams): fc.Arbitrary<Gap> {
  const intervalUs = Math.ceil(windowUs / limit);
  const beside = fc.constantFrom(-1, 0, 1);
  return fc.oneof(
    fc.constantFrom({ us: 0 }, { us: 0 }, { us: 1 }),
    fc.integer({ min: 0, max: 2 * intervalUs }).map((us) => ({ us })),
    fc.integer({ min: 0, max: 2 * windowUs }).map((us) => ({ us })),
    beside.map((us) => ({ us: windowUs + us })),
    beside.map((besideUs) => ({ periodUs: windowUs, besideUs })),
  );
}
