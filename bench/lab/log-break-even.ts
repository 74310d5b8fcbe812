/**
 * Experiment 5, second half: from how many units a key on, a log costs more than what stands in for it. A log holds
 * what a key was allowed within one window, so its size is set by the smaller of two numbers:
 *
 *      units held  =  min(limit, what the key asks for in a window)
 *
 * and its total by how many keys are awake at once. Measured in the key tables and rings themselves.
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import type { Experiment } from "./experiment.ts";
import { ManyKeys } from "./many-keys.ts";

/** Whole pages of rings of any size. */
const KEYS = 4_096;
const UNITS = [1, 2, 4, 5, 8, 10, 16, 20, 50, 100, 200];
const WINDOW_US = micros(60 * US_PER_S);
const GIB = 2 ** 30;
const COUNTER = "sliding counter";

interface Limiter {
  readonly name: string;
  readonly algorithm: AlgorithmParams["algorithm"];
  readonly subWindows?: number;
}

const LIMITERS: readonly Limiter[] = [
  { name: "sliding log", algorithm: "sliding-log" },
  { name: "conservative window, n = 50", algorithm: "conservative-window", subWindows: 50 },
  { name: "conservative window, n = 10", algorithm: "conservative-window", subWindows: 10 },
  { name: "conservative window, n = 4", algorithm: "conservative-window", subWindows: 4 },
  { name: COUNTER, algorithm: "sliding-window" },
];

export const logBreakEven: Experiment = {
  name: "log-break-even",
  title: "Break-even: bytes per key against the units a key holds within a window",
  hypothesis:
    "The log's ring starts at four events and doubles, 12 bytes an event, and rings outgrown are kept for others. So it " +
    "is nowhere cheaper than the sliding counter's 16 bytes, nor than ten sub-windows; it beats fifty sub-windows for " +
    "keys that hold up to eight units, and grows with the limit from there, while the others do not. Window and " +
    "cardinality only move a key along the curve: a longer window lets it hold more, up to the limit.",
  isExact: true,
  run({ seed, progress }) {
    return UNITS.flatMap((units, i) => {
      progress((i + 1) / UNITS.length);
      const bytes = LIMITERS.map((limiter) => bytesPerKey(limiter, units, seed));
      const counter = bytes[LIMITERS.findIndex(({ name }) => name === COUNTER)]!;
      return LIMITERS.map(({ name }, at) => ({
        units_held: units,
        limiter: name,
        bytes_per_key: Math.round(bytes[at]!),
        times_counter: Math.round((10 * bytes[at]!) / counter) / 10,
        keys_per_gib: Math.floor(GIB / bytes[at]!),
      }));
    });
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: logBreakEven.title,
    width: 420,
    height: 240,
    data: { values: rows as object[] },
    mark: { type: "line", point: true },
    encoding: {
      x: {
        field: "units_held",
        type: "quantitative",
        scale: { type: "log", nice: false },
        title: "units held by a key",
      },
      y: { field: "bytes_per_key", type: "quantitative", scale: { type: "log" }, title: "bytes per key" },
      color: { field: "limiter", type: "nominal", sort: null, title: null },
    },
  }),
};

/** Of keys that have each been allowed `units` units at as many moments of one window. */
function bytesPerKey({ algorithm, subWindows }: Limiter, units: number, seed: number): number {
  const params = { algorithm, limit: units, windowUs: WINDOW_US, ...(subWindows && { subWindows }) };
  const table = new ManyKeys(params, KEYS, seed);
  const startUs = 1_000 * WINDOW_US;
  // What is no log keeps the same words for any number of units.
  const moments = algorithm === "sliding-log" ? units : 1;
  for (let moment = 0; moment < moments; moment += 1) {
    for (let key = 0; key < KEYS; key += 1) table.ask(key, units / moments, startUs + moment);
  }
  return table.bytes() / KEYS;
}
