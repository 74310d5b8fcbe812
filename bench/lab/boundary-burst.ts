/**
 * Experiment 1: two full limits, one on each side of a window's seam. The question everybody asks first, and the
 * one behind it: is that the worst an algorithm can do? A search looks for worse.
 */
import type { AlgorithmName, AlgorithmParams } from "../../algorithms/algorithm.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";
import { mostInWindow, SingleKey } from "./single-key.ts";
import { worstCase } from "./worst-case-search.ts";

const LIMIT = 100;
const WINDOW_US = micros(60 * US_PER_S);
/** All of one side arrive within so much of the seam. */
const EDGE_US = 100_000;
/** Twenty times as many found nothing worse. */
const PATTERNS = 2_000;

interface Case {
  readonly algorithm: AlgorithmName;
  readonly burst?: number;
  /** The most that any window can hold, in units, and why. */
  readonly bound: number;
  readonly because: string;
}

const CASES: readonly Case[] = [
  { algorithm: "fixed-window", bound: 2 * LIMIT, because: "a window's length meets two windows" },
  { algorithm: "sliding-window", bound: 2 * LIMIT, because: "the last window counts less and less: L + L·f" },
  { algorithm: "sliding-log", bound: LIMIT, because: "it counts every unit" },
  { algorithm: "conservative-window", bound: LIMIT, because: "the oldest sub-window counts in full" },
  { algorithm: "token-bucket", bound: 2 * LIMIT, because: "B + L, with B = L" },
  { algorithm: "leaky-bucket", bound: 2 * LIMIT, because: "B + L, with B = L" },
  { algorithm: "leaky-queue", bound: 2 * LIMIT, because: "B + L admitted; departures are one T apart" },
  { algorithm: "gcra", bound: 2 * LIMIT, because: "B + L, with B = L" },
  { algorithm: "gcra", burst: 10, bound: LIMIT + 10, because: "B + L, with B = 10" },
  { algorithm: "gcra", burst: 1, bound: LIMIT + 1, because: "B + L, with B = 1" },
];

export const boundaryBurst: Experiment = {
  name: "boundary-burst",
  title: "Boundary burst: 100 a minute, 100 just before the seam and 100 just after",
  hypothesis:
    "A fixed window admits both bursts, 2·L within 200 ms. The sliding counter refuses the second one, but admits " +
    "almost 2·L over a whole window when asked cleverly. Buckets with B = L admit L + what drains meanwhile, at most " +
    "2·L in a window. The log and the conservative window never admit more than L in any window.",
  isExact: true,
  run: (scale) => CASES.map((each, i) => row(each, i, scale)),
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: boundaryBurst.title,
    width: 420,
    data: { values: rows.flatMap(bars) },
    mark: { type: "bar" },
    encoding: {
      y: { field: "algorithm", type: "nominal", sort: null, title: null },
      yOffset: { field: "what", sort: null },
      x: { field: "pct", type: "quantitative", title: "over-admission, % of the limit in the worst minute" },
      color: { field: "what", type: "nominal", sort: null, title: null },
    },
  }),
};

function row(each: Case, index: number, { seed, progress }: Scale): Finding {
  const params = paramsOf(each);
  const admittedUs = seamUs().filter(admitter(params));
  const found = worstCase(params, seed + index, PATTERNS);
  progress((index + 1) / CASES.length);
  return {
    algorithm: each.algorithm,
    burst: each.burst ?? LIMIT,
    admitted_of_200: admittedUs.length,
    over_admit_pct: overPct(mostInWindow(admittedUs, WINDOW_US)),
    worst_found_pct: overPct(found.units),
    worst_proven_pct: overPct(each.bound),
    because: each.because,
    worst_traffic_found: found.pattern,
  };
}

function paramsOf({ algorithm, burst }: Case): AlgorithmParams {
  const params = { algorithm, limit: LIMIT, windowUs: WINDOW_US };
  return burst === undefined ? params : { ...params, burst };
}

/** One limit evenly over the last 100 ms of a window, one over the first 100 ms of the next. */
function seamUs(): number[] {
  const edge = Array.from({ length: LIMIT }, (_, i) => (i * EDGE_US) / LIMIT);
  return [...edge.map((us) => WINDOW_US - EDGE_US + us), ...edge.map((us) => WINDOW_US + us)];
}

function admitter(params: AlgorithmParams): (atUs: number) => boolean {
  const key = new SingleKey(params);
  return (atUs) => key.ask(atUs).outcome === "allowed";
}

function overPct(units: number): number {
  return Math.max(0, (100 * (units - LIMIT)) / LIMIT);
}

function bars({ algorithm, burst, over_admit_pct, worst_found_pct, worst_proven_pct }: Finding): Finding[] {
  const name = burst === LIMIT ? String(algorithm) : `${algorithm}, B = ${burst}`;
  return [
    { algorithm: name, what: "on this trace", pct: over_admit_pct as number },
    { algorithm: name, what: "worst found", pct: worst_found_pct as number },
    { algorithm: name, what: "proven bound", pct: worst_proven_pct as number },
  ];
}
