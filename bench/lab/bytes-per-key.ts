/**
 * Experiment 2, first part: what a live key costs, here and in Redis, by algorithm. Here: growth of a fresh process'
 * resident set, the table split over 64 shards as in production (bench:memory). In Redis: growth of `used_memory`,
 * and of its resident set, in a server of its own. Keys are charged once; the log also ten times, at ten moments.
 */
import { ALGORITHMS, type AlgorithmName } from "../../algorithms/algorithm.ts";
import { SHARDS_DEFAULT } from "../../core/key.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { filledProcess } from "../filled-process.ts";
import { holdInRedis } from "../held-keys.ts";
import { RedisNodes } from "../redis-nodes.ts";
import { START_US } from "../trace.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";

const KEYS = { full: 10_000_000, quick: 100_000 };
const LIMIT = 100;
const WINDOW_US = micros(3_600 * US_PER_S);
/** Of keys that are charged more than once. */
const BUSY_SHARE = 10;
const BUSY_HITS = 10;

export interface FilledCase {
  readonly algorithm: AlgorithmName;
  readonly backend: "local" | "redis";
  readonly keys: number;
  /** Decisions per key. */
  readonly hits: number;
}

export const bytesPerKey: Experiment = {
  name: "bytes-per-key",
  title: "Bytes for a live key, here and in Redis",
  hypothesis:
    "The key table holds a hash and a few words: 12 to 20 bytes for all but the log and the conservative window. In " +
    "Redis the name of the key, its entry, its lifetime and their places in two hash tables are kept whatever the " +
    "algorithm, about 200 bytes, so that the choice of algorithm hardly matters there, but for the log.",
  isExact: false,
  needsRedis: true,
  async run({ isQuick, progress }: Scale) {
    const keys = isQuick ? KEYS.quick : KEYS.full;
    const cases = ALGORITHMS.flatMap((algorithm) => casesOf(algorithm, keys));
    const rows: Finding[] = [];
    for (const each of cases) {
      const within = (share: number): void => progress((rows.length + share) / cases.length);
      rows.push(await filled(each, within));
      within(0);
    }
    return rows;
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: bytesPerKey.title,
    width: 420,
    data: {
      values: rows.map(({ algorithm, hits, ...row }) => ({
        ...row,
        algorithm: hits === 1 ? algorithm : `${algorithm}, ${hits} each`,
      })),
    },
    mark: { type: "bar" },
    encoding: {
      y: { field: "algorithm", type: "nominal", sort: null, title: null },
      yOffset: { field: "backend", sort: null },
      x: { field: "bytes_per_key", type: "quantitative", title: "bytes a key" },
      color: { field: "backend", type: "nominal", sort: null, title: null },
    },
  }),
};

function casesOf(algorithm: AlgorithmName, keys: number): FilledCase[] {
  return (["local", "redis"] as const).flatMap((backend) => [
    { algorithm, backend, keys, hits: 1 },
    ...(algorithm === "sliding-log"
      ? [{ algorithm, backend, keys: Math.ceil(keys / BUSY_SHARE), hits: BUSY_HITS }]
      : []),
  ]);
}

/** Fills one backend, and measures it. */
export async function filled(each: FilledCase, onProgress: (share: number) => void): Promise<Finding> {
  return { ...each, ...(each.backend === "local" ? await here(each) : await inRedis(each, onProgress)) };
}

async function here({ algorithm, keys, hits }: FilledCase): Promise<Finding> {
  const { rssBytes } = await filledProcess({ contestant: algorithm, keys, shards: SHARDS_DEFAULT, hits });
  return { bytes_per_key: rssBytes / keys, resident_bytes_per_key: rssBytes / keys };
}

async function inRedis(
  { algorithm, keys, hits }: FilledCase,
  onProgress: (share: number) => void,
): Promise<Finding> {
  await using nodes = await RedisNodes.start();
  const before = await nodes.memory();
  const params = { algorithm, limit: LIMIT, windowUs: WINDOW_US };
  await holdInRedis(nodes, params, { count: keys, cost: 1, hits, nowUs: START_US, onProgress });
  const after = await nodes.memory();
  const live = await nodes.keys();
  return {
    bytes_per_key: (after.keptBytes - before.keptBytes) / live,
    resident_bytes_per_key: (after.residentBytes - before.residentBytes) / live,
  };
}
