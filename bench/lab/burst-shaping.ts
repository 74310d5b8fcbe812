/**
 * Experiment 6: what a service behind the limiter gets to feel of a burst. One client asks steadily below its rate,
 * then five times as much for two seconds; each bucket lets it through in its own way.
 */
import type { AlgorithmName, AlgorithmParams } from "../../algorithms/algorithm.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { Prng } from "../../core/prng.ts";
import { Arrivals } from "../arrivals.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";
import { SingleKey } from "./single-key.ts";

const RATE = 100;
const BASELINE = 80;
const BURST_FACTOR = 5;
const DURATION_US = 10 * US_PER_S;
export const BURST_FROM_US = 4 * US_PER_S;
const BURST_UNTIL_US = 6 * US_PER_S;
const BIN_US = 200_000;

interface Case {
  readonly name: string;
  readonly algorithm: AlgorithmName;
  readonly burst: number;
}

/** The first three say the same; the queue holds back; the last two trade the burst for smoothness. */
const CASES: readonly Case[] = [
  { name: "token bucket, B = 100", algorithm: "token-bucket", burst: 100 },
  { name: "leaky meter, B = 100", algorithm: "leaky-bucket", burst: 100 },
  { name: "GCRA, τ = 99·T", algorithm: "gcra", burst: 100 },
  { name: "leaky queue of 100", algorithm: "leaky-queue", burst: 100 },
  { name: "GCRA, τ = 9·T", algorithm: "gcra", burst: 10 },
  { name: "GCRA, τ = 0", algorithm: "gcra", burst: 1 },
];

export const burstShaping: Experiment = {
  name: "burst-shaping",
  title: "Burst shaping: 100/s, asked for 80/s with 400/s from second 4 to 6",
  hypothesis:
    "Token bucket, leaky meter and GCRA with equal B let the same units through at the same moments: B at once, then " +
    "the rate. The queue admits as many but releases them one T apart, so nothing behind it ever sees more than the " +
    "rate. GCRA with a smaller τ is as smooth without a queue and refuses more, also of what was no burst.",
  isExact: true,
  run: ({ seed, progress }: Scale) => {
    const arrivals = arrivalsUs(seed);
    return CASES.flatMap((each, i) => {
      progress((i + 1) / CASES.length);
      return bins(each, arrivals);
    });
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: burstShaping.title,
    data: { values: rows as object[] },
    columns: 2,
    facet: { field: "limiter", sort: CASES.map(({ name }) => name), title: null },
    spec: {
      width: 300,
      height: 110,
      layer: [
        {
          mark: { type: "area", color: "#ddd", interpolate: "step-after" },
          encoding: { x: seconds(), y: perSecond("offered_per_s") },
        },
        {
          mark: { type: "line", interpolate: "step-after" },
          encoding: { x: seconds(), y: perSecond("released_per_s") },
        },
      ],
    },
  }),
};

function seconds() {
  return { field: "from_s", type: "quantitative" as const, title: "seconds" };
}

function perSecond(field: string) {
  return { field, type: "quantitative" as const, title: "offered (grey), let through" };
}

/** Poisson arrivals on both sides of the jump. */
function arrivalsUs(seed: number): number[] {
  const prng = new Prng(seed);
  const calm = [...drawn(BASELINE, DURATION_US, prng)].filter(
    (us) => us < BURST_FROM_US || us >= BURST_UNTIL_US,
  );
  const burst = drawn(BASELINE * BURST_FACTOR, BURST_UNTIL_US - BURST_FROM_US, prng);
  return [...calm, ...burst.map((us) => us + BURST_FROM_US)].toSorted((left, right) => left - right);
}

function drawn(rate: number, durationUs: number, prng: Prng): number[] {
  const arrivals = new Arrivals(rate, durationUs, prng);
  const moments: number[] = [];
  for (let us = arrivals.next(); us !== undefined; us = arrivals.next()) moments.push(us);
  return moments;
}

function bins({ name, algorithm, burst }: Case, arrivals: readonly number[]): Finding[] {
  const params: AlgorithmParams = { algorithm, limit: RATE, windowUs: micros(US_PER_S), burst };
  const key = new SingleKey(params);
  const admitted: number[] = [];
  const released: number[] = [];
  for (const atUs of arrivals) {
    const { outcome, delayUs } = key.ask(atUs);
    if (outcome !== "allowed") continue;
    admitted.push(atUs);
    released.push(atUs + delayUs);
  }
  const perS = (moments: readonly number[], fromUs: number): number =>
    (moments.filter((us) => us >= fromUs && us < fromUs + BIN_US).length * US_PER_S) / BIN_US;
  return Array.from({ length: DURATION_US / BIN_US }, (_, bin) => bin * BIN_US).map((fromUs) => ({
    limiter: name,
    from_s: fromUs / US_PER_S,
    offered_per_s: perS(arrivals, fromUs),
    admitted_per_s: perS(admitted, fromUs),
    released_per_s: perS(released, fromUs),
  }));
}
