/**
 * Stretch: what a sliding log costs that is only nearly one. A ring of fixed size for each key, or one sketch for all
 * of them, beside the exact log and the windows of counts, on the same traffic.
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { AccuracyMeter, type Accuracy } from "../accuracy.ts";
import { EventColumns } from "../events.ts";
import { generateEvents } from "../trace-generator.ts";
import { START_US } from "../trace.ts";
import { CountMinWindow } from "./count-min-window.ts";
import type { Experiment } from "./experiment.ts";
import { ManyKeys } from "./many-keys.ts";
import { percent, toThousandths } from "./percent.ts";
import { RingLog } from "./ring-log.ts";
import { StateMeter, type Fullest } from "./state-meter.ts";

const LIMIT = 50;
const WINDOW_US = micros(10 * US_PER_S);
const SUB_WINDOWS = 10;
const PLACES = [50, 25, 10, 5, 2, 1];
const SKETCH_WIDTHS = [8_192, 4_096, 2_048, 1_024, 512, 256, 128];
const SKETCH_ROWS = 4;
/** Of a key's slot: the hash, and each word of state. A ring is found by one. */
const HASH_BYTES = 8;
const WORD_BYTES = 4;

const TRAFFIC = {
  keys: 10_000,
  startUs: START_US,
  durationUs: 40 * US_PER_S,
  costMin: 1,
  costMax: 1,
  dist: "zipf",
  shape: "spiky",
  zipfS: 0.9,
  rate: 1_500,
} as const;

/** One way to remember what every key was admitted. */
interface Memory {
  readonly family: string;
  /** Places of a ring, counters in a row of a sketch, sub-windows. */
  readonly size: number | null;
  /** In all, where so many keys are awake. */
  readonly bytes: (keys: number) => number;
  /** A limiter that remembers nothing yet. */
  readonly limiter: () => Limiter;
}

/** Whether one unit is admitted. */
type Limiter = (key: number, atUs: number) => boolean;

export const approximateLogs: Experiment = {
  name: "approximate-logs",
  title: "Logs that are only nearly one: 50 per 10 s, 10,000 keys (Zipf 0.9), in bursts",
  hypothesis:
    "None of them ever admits too much. A ring of k places counts up to L/k − 1 units for too long: its error falls as " +
    "1/k, and it is dearer than the exact log where most keys hold few units, since it has its places whether it needs " +
    "them or not. A sketch costs the same for any number of keys: wide enough, it refuses no more than the window of " +
    "ten counts does that it stands for, with fewer bytes a key; too narrow, strangers fill each other's counters and " +
    "it refuses everybody.",
  isExact: true,
  run({ seed, progress }) {
    const events = new EventColumns();
    for (const batch of generateEvents({ ...TRAFFIC, seed })) events.append(batch);
    const exact = decided(events, keyTable("sliding-log", seed));
    const memories = memoriesOf(seed, exact.state.bytes);
    return memories.map((memory, i) => {
      progress((i + 1) / memories.length);
      const { decisions, refused, accuracy } = decided(events, memory.limiter());
      const unlike = decisions.reduce((sum, isAllowed, at) => sum + (isAllowed ^ exact.decisions[at]!), 0);
      return {
        family: memory.family,
        size: memory.size,
        bytes_per_key: toThousandths(memory.bytes(exact.state.keys) / exact.state.keys),
        refused_pct: percent(refused, events.count),
        over_admit_pct: toThousandths(accuracy.overAdmitPct),
        under_admit_pct: toThousandths(accuracy.underAdmitPct),
        unlike_log_pct: percent(unlike, events.count),
      };
    });
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: approximateLogs.title,
    width: 440,
    height: 240,
    data: { values: rows as object[] },
    mark: { type: "line", point: true },
    encoding: {
      x: {
        field: "bytes_per_key",
        type: "quantitative",
        scale: { type: "log" },
        title: "bytes per key awake",
      },
      y: { field: "under_admit_pct", type: "quantitative", title: "refused without need, % of requests" },
      order: { field: "bytes_per_key" },
      color: { field: "family", type: "nominal", sort: null, title: null },
    },
  }),
};

/** @param logBytes of the exact log, at its fullest moment */
function memoriesOf(seed: number, logBytes: number): readonly Memory[] {
  const windowBytes = HASH_BYTES + WORD_BYTES * createAlgorithm(params("conservative-window")).stateWords;
  return [
    { family: "exact log", size: null, bytes: () => logBytes, limiter: () => keyTable("sliding-log", seed) },
    ...PLACES.map((places) => ({
      family: "rings",
      size: places,
      bytes: (keys: number) => keys * (HASH_BYTES + WORD_BYTES + RingLog.bytes(places)),
      limiter: () => rings(places),
    })),
    ...SKETCH_WIDTHS.map((width) => ({
      family: "one sketch",
      size: width,
      bytes: () => sketch(width, seed).bytes,
      limiter: () => {
        const shared = sketch(width, seed);
        return (key: number, atUs: number) => shared.ask(key, atUs);
      },
    })),
    {
      family: "window of counts",
      size: SUB_WINDOWS,
      bytes: (keys: number) => keys * windowBytes,
      limiter: () => keyTable("conservative-window", seed),
    },
  ];
}

function params(algorithm: AlgorithmParams["algorithm"]): AlgorithmParams {
  return { algorithm, limit: LIMIT, windowUs: WINDOW_US, subWindows: SUB_WINDOWS };
}

function keyTable(algorithm: AlgorithmParams["algorithm"], seed: number): Limiter {
  const table = new ManyKeys(params(algorithm), TRAFFIC.keys, seed);
  return (key, atUs) => table.ask(key, 1, atUs);
}

function rings(places: number): Limiter {
  const byKey = new Map<number, RingLog>();
  return (key, atUs) => {
    const ring = byKey.get(key) ?? new RingLog(params("sliding-log"), places);
    byKey.set(key, ring);
    return ring.ask(atUs);
  };
}

function sketch(width: number, seed: number): CountMinWindow {
  return new CountMinWindow(params("conservative-window"), { width, depth: SKETCH_ROWS }, seed);
}

interface Decided {
  /** By event: 1 if it was admitted. */
  readonly decisions: Uint8Array;
  readonly refused: number;
  readonly accuracy: Accuracy;
  /** What an exact log would hold of it at the fullest moment. */
  readonly state: Fullest;
}

function decided(events: EventColumns, limiter: Limiter): Decided {
  const meter = new AccuracyMeter(events, TRAFFIC.keys, params("sliding-log"));
  const state = new StateMeter(params("sliding-log"));
  const decisions = new Uint8Array(events.count);
  let refused = 0;
  for (let index = 0; index < events.count; index += 1) {
    const [key, atUs] = [events.key[index]!, events.atUs[index]!];
    const isAllowed = limiter(key, atUs);
    meter.observe(index, isAllowed);
    if (isAllowed) state.admit(key, atUs);
    else refused += 1;
    decisions[index] = Number(isAllowed);
  }
  return { decisions, refused, accuracy: meter.result(), state: state.fullest() };
}
