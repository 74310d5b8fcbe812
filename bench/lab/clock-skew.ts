/**
 * Experiment 7: two clients, one two seconds behind and one two seconds ahead, ask about the same key. Under the app
 * clock each decides by its own time on the one shared state; under the server's clock there is one time for both.
 *
 *      true time        ─────────●────────▶  what is measured, against the envelope
 *      slow client      ───●─ −2 s           what it says
 *      fast client      ──────────────●─ +2 s
 */
import { ALGORITHMS, type AlgorithmParams } from "../../algorithms/algorithm.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { Prng } from "../../core/prng.ts";
import { AccuracyMeter } from "../accuracy.ts";
import { Arrivals } from "../arrivals.ts";
import { EventColumns } from "../events.ts";
import { ExpiringKey } from "./expiring-key.ts";
import type { Experiment, Finding } from "./experiment.ts";
import { percent, toThousandths } from "./percent.ts";
import { SingleKey } from "./single-key.ts";
import { trustingLimiter } from "./trusting-limiter.ts";

const LIMIT = 100;
const WINDOW_US = micros(10 * US_PER_S);
/** Of the algorithms that have one: two seconds' worth. */
const BURST = 20;
const SKEW_US = 2 * US_PER_S;
const DURATION_US = 600 * US_PER_S;
/** Each client alone asks for all there is. */
const RATE_EACH = 10;
/** Where the fast client comes and goes: as long here as away. */
const SPELL_US = 10 * US_PER_S;
/** Longer than a burst lasts, and the skew with it. */
const KEPT_MS = 10_000;
const START_US = 1_000 * WINDOW_US;

interface Ask {
  /** True time. */
  readonly atUs: number;
  readonly isFast: boolean;
}

interface Clock {
  readonly name: string;
  readonly skewUs: number;
  limiter(params: AlgorithmParams): Limiter | undefined;
}

/** Whether one unit is admitted, at a moment by the caller's clock and in true time, which is Redis'. */
type Limiter = (callerUs: number, trueUs: number) => boolean;

const CLOCKS: readonly Clock[] = [
  { name: "one clock, the server's", skewUs: 0, limiter: keyTable },
  { name: "two clocks, key table", skewUs: SKEW_US, limiter: keyTable },
  { name: "two clocks, Redis scripts", skewUs: SKEW_US, limiter: (params) => redisKey(params, 1) },
  { name: "… that keep keys for 10 s", skewUs: SKEW_US, limiter: (params) => redisKey(params, KEPT_MS) },
  { name: "two clocks, believed", skewUs: SKEW_US, limiter: trustingLimiter },
];

const SCENES = ["both ask all the time", "the fast one comes and goes"] as const;

export const clockSkew: Experiment = {
  name: "clock-skew",
  title: "Clock skew: two clients, ∓2 s, both asking for all of 100 per 10 s",
  hypothesis:
    "Under the server's clock both get the same and the envelope holds. Where each client's own time is believed, what " +
    "counts by window number or throws old events away admits too much, a token bucket that remembers a step back " +
    "is wound up without end, and GCRA starves the slow client instead: the fast one's TAT is always in its future. A " +
    "running maximum, as key table and scripts have it, makes the fastest clock everybody's: the slow client lives on " +
    "what the fast one leaves between two of its own asks, and when the fast one comes back four seconds flow at once. " +
    "In the key table they were held back before, so that is all there ever is. In Redis a key whose debt has worn off " +
    "expires, its running maximum with it, and every comeback mints them anew, unless keys are kept for longer.",
  isExact: true,
  run({ seed, progress }) {
    return SCENES.flatMap((scene, i) => {
      progress((i + 1) / SCENES.length);
      const asks = asksOf(scene, seed);
      return CLOCKS.flatMap((clock) =>
        ALGORITHMS.flatMap((algorithm) => {
          const params = paramsOf(algorithm);
          const limiter = clock.limiter(params);
          if (limiter === undefined) return [];
          return [{ scene, clock: clock.name, ...measured(asks, clock, params, limiter) }];
        }),
      );
    });
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: clockSkew.title,
    data: { values: rows.flatMap(bars) },
    facet: {
      row: { field: "scene", sort: null, title: null },
      column: { field: "clock", sort: CLOCKS.map(({ name }) => name), title: null },
    },
    spec: {
      width: 150,
      height: 190,
      mark: { type: "bar", clip: true },
      encoding: {
        y: { field: "algorithm", type: "nominal", sort: null, title: null },
        yOffset: { field: "what", sort: null },
        x: { field: "pct", type: "quantitative", scale: { domain: [0, 110] }, title: "%, cut at 110" },
        color: { field: "what", type: "nominal", sort: null, title: null },
      },
    },
  }),
};

function paramsOf(algorithm: AlgorithmParams["algorithm"]): AlgorithmParams {
  const params = { algorithm, limit: LIMIT, windowUs: WINDOW_US };
  return algorithm.includes("window") || algorithm === "sliding-log" ? params : { ...params, burst: BURST };
}

/** Decides at the running maximum of all it was asked. */
function keyTable(params: AlgorithmParams): Limiter {
  const key = new SingleKey(params);
  // SingleKey counts from a thousand windows on by itself.
  return (nowUs) => key.ask(nowUs - START_US).outcome === "allowed";
}

/** … until it is forgotten. */
function redisKey(params: AlgorithmParams, ttlMinMs: number): Limiter {
  const key = new ExpiringKey(params, ttlMinMs);
  return (callerUs, trueUs) => key.ask(callerUs - START_US, trueUs);
}

/** Poisson arrivals of both clients, in true time. */
function asksOf(scene: (typeof SCENES)[number], seed: number): readonly Ask[] {
  const drawn = (isFast: boolean): Ask[] => {
    const arrivals = new Arrivals(RATE_EACH, DURATION_US, new Prng(2 * seed + Number(isFast)));
    const asks: Ask[] = [];
    for (let us = arrivals.next(); us !== undefined; us = arrivals.next())
      asks.push({ atUs: START_US + us, isFast });
    return asks;
  };
  const isHere = ({ atUs }: Ask): boolean =>
    scene === SCENES[0] || Math.floor((atUs - START_US) / SPELL_US) % 2 === 0;
  return [...drawn(false), ...drawn(true).filter(isHere)].toSorted((left, right) => left.atUs - right.atUs);
}

function measured(
  asks: readonly Ask[],
  { skewUs }: Clock,
  params: AlgorithmParams,
  limiter: Limiter,
): Finding {
  const events = new EventColumns(asks.length);
  for (const { atUs } of asks) events.push(atUs, 0, 1);
  const accuracy = new AccuracyMeter(events, 1, params);
  const slow = { asked: 0, admitted: 0, lastUs: START_US, longestUs: 0 };
  const fast = { asked: 0, admitted: 0 };
  for (const [index, { atUs, isFast }] of asks.entries()) {
    const isAdmitted = limiter(atUs + (isFast ? skewUs : -skewUs), atUs);
    accuracy.observe(index, isAdmitted);
    const client = isFast ? fast : slow;
    client.asked += 1;
    if (isAdmitted) client.admitted += 1;
    if (isFast) continue;
    slow.longestUs = Math.max(slow.longestUs, atUs - slow.lastUs);
    if (isAdmitted) slow.lastUs = atUs;
  }
  const { overAdmitPct, underAdmitPct } = accuracy.result();
  return {
    algorithm: params.algorithm,
    slow_admitted_pct: percent(slow.admitted, slow.asked),
    fast_admitted_pct: percent(fast.admitted, fast.asked),
    slow_longest_wait_s: toThousandths(slow.longestUs / US_PER_S),
    over_admit_pct: toThousandths(overAdmitPct),
    under_admit_pct: toThousandths(underAdmitPct),
  };
}

function bars({
  scene,
  clock,
  algorithm,
  slow_admitted_pct,
  fast_admitted_pct,
  over_admit_pct,
}: Finding): Finding[] {
  const shared = { scene: scene!, clock: clock!, algorithm: algorithm! };
  return [
    { ...shared, what: "admitted, of the slow client's", pct: slow_admitted_pct! },
    { ...shared, what: "admitted, of the fast client's", pct: fast_admitted_pct! },
    { ...shared, what: "over-admitted, of limit or burst", pct: over_admit_pct! },
  ];
}
