/**
 * Published packages beside our algorithms, in the same run: memory against memory, Redis against Redis. Each racer is
 * alone in a process and asked the same trace, one call a decision:
 *
 *      at full speed, on Redis 1,000 in flight ──▶ decisions a second
 *      as it comes, bursts and all             ──▶ latency from the due moment, and what was admitted, against the
 *                                                  envelope of what it promises (accuracy.ts)
 *      every key once, windows of an hour      ──▶ bytes a key
 *
 * The packages read `Date.now`; in their process it is the moment of the event asked about, so that they are judged by
 * the time they decided by. Their timers, and lifetimes in Redis, run in real time; as the trace comes, that is the same
 * but for the latency. Only rate-limiter-flexible's windows on Redis, and when a token bucket of Upstash's is forgotten,
 * depend on it; so admissions are judged in that run, not at full speed.
 */
import { readFileSync } from "node:fs";
import type { TopLevelSpec } from "vega-lite";
import { ALGORITHMS, type AlgorithmName } from "../../algorithms/algorithm.ts";
import { US_PER_S } from "../../core/units.ts";
import { ENVELOPE_OF } from "../accuracy.ts";
import { filledProcess } from "../filled-process.ts";
import { RedisNodes } from "../redis-nodes.ts";
import { startRedis } from "../redis-process.ts";
import { filled } from "./bytes-per-key.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";
import { PUBLISHED, type Published, type PublishedName, type Terms } from "./published-limiters.ts";
import { race, type Racer } from "./race-process.ts";
import type { RaceSize } from "./race-trace.ts";

const TERMS: Terms = { limit: 10, windowUs: US_PER_S };
/** Of keys that are counted, not raced. */
const KEPT_TERMS: Terms = { limit: 100, windowUs: 3_600 * US_PER_S };
const IN_FLIGHT = 1_000;
/** What a racer decides by, unless its own is another. */
const TRACE_CLOCK = "the trace's";

interface PeersSize {
  readonly race: Readonly<Record<"local" | "redis", RaceSize>>;
  readonly keysHeld: Readonly<Record<"local" | "redis", number>>;
}

const RATE = 1_000;
const FULL: PeersSize = {
  race: {
    local: { keys: 100_000, rate: RATE, decisions: 400_000, rounds: 3, seconds: 5 },
    redis: { keys: 100_000, rate: RATE, decisions: 20_000, rounds: 3, seconds: 5 },
  },
  keysHeld: { local: 1_000_000, redis: 50_000 },
};
export const QUICK: PeersSize = {
  race: {
    local: { keys: 10_000, rate: RATE, decisions: 100_000, rounds: 1, seconds: 0.6 },
    redis: { keys: 10_000, rate: RATE, decisions: 2_000, rounds: 1, seconds: 0.6 },
  },
  keysHeld: { local: 100_000, redis: 5_000 },
};
/** What most packages have. */
const QUICK_ALGORITHMS: readonly AlgorithmName[] = ["fixed-window"];

export const peers: Experiment = {
  name: "peers",
  title: "Published limiters beside ours, in memory and on Redis",
  hypothesis:
    "In memory an object, a promise and, in one package, a timer for every key cost several times what a table's slot " +
    "does, in time and in bytes. On Redis it is the round trip that costs, so all are within a factor of two, and a key's " +
    "bytes are mostly Redis' own. Windows, whoever's and wherever they begin, admit up to twice their limit, the sliding " +
    "counters less; Upstash's rounds the last window's share down, so a bit more than ours. Its token bucket refills a " +
    "limit at a time, twice a limit within a moment then; token by token it is early by less than a token.",
  isExact: false,
  needsRedis: true,
  async run({ isQuick, seed, progress }: Scale) {
    const racers = racersOf(isQuick ? QUICK_ALGORITHMS : ALGORITHMS);
    const size = isQuick ? QUICK : FULL;
    const rows: Finding[] = [];
    for (const racer of racers) {
      rows.push(await measured(racer, size, seed));
      progress(rows.length / racers.length);
    }
    return rows;
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: peers.title,
    data: {
      values: rows.map((row) => ({ ...row, racer: spoken(row) })),
    },
    vconcat: [
      { hconcat: [panel("decisions_per_s", "decisions a second", true), panel("p99_us", "p99 in µs", true)] },
      { hconcat: [panel("bytes_per_key", "bytes a key", true), panel("over_admit_pct", "over-admitted, %")] },
    ],
  }),
};

function racersOf(algorithms: readonly AlgorithmName[]): Racer[] {
  const published = Object.keys(PUBLISHED) as PublishedName[];
  return (["local", "redis"] as const).flatMap((backend): Racer[] => [
    ...algorithms.map((parl) => ({ parl, backend })),
    ...published.filter((name) => PUBLISHED[name].backend === backend).map((name) => ({ published: name })),
  ]);
}

/** One racer's row. */
export async function measured(racer: Racer, size: PeersSize, seed: number): Promise<Finding> {
  const { algorithm, backend, ...names } = described(racer);
  await using redis = backend === "redis" ? await startRedis() : undefined;
  const answer = await race({
    racer,
    terms: TERMS,
    size: size.race[backend],
    seed,
    redisUrl: redis?.url ?? null,
  });
  return {
    ...names,
    backend,
    promise: ENVELOPE_OF[algorithm],
    ...answer,
    bytes_per_key: await bytesPerKey(racer, size.keysHeld[backend]),
  };
}

function described(racer: Racer): {
  limiter: string;
  variant: string;
  algorithm: AlgorithmName;
  clock: string;
  backend: "local" | "redis";
} {
  if ("parl" in racer) {
    const { parl: algorithm, backend } = racer;
    return { limiter: "PARL", variant: algorithm, algorithm, clock: TRACE_CLOCK, backend };
  }
  const limiter: Published = PUBLISHED[racer.published];
  const { package: name, variant, algorithm, clock = TRACE_CLOCK, backend } = limiter;
  return { limiter: `${name} ${versionOf(name)}`, variant, algorithm, clock, backend };
}

/** Exact, as the repository pins it. */
function versionOf(name: string): string | undefined {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return (manifest as { devDependencies: Record<string, string> }).devDependencies[name];
}

async function bytesPerKey(racer: Racer, keys: number): Promise<number> {
  if ("parl" in racer) {
    const kept = { algorithm: racer.parl, backend: racer.backend, keys, hits: 1 };
    return (await filled(kept, () => undefined))["bytes_per_key"] as number;
  }
  const name = racer.published;
  if (name === "rate-limiter-flexible" || name === "express-rate-limit") {
    return (await filledProcess({ contestant: name, keys, shards: 1, hits: 1 })).rssBytes / keys;
  }
  return bytesInRedis(name, keys);
}

/** Growth of `used_memory`, clients left out; a sliding counter that keeps two windows has only its first. */
async function bytesInRedis(name: PublishedName, keys: number): Promise<number> {
  await using nodes = await RedisNodes.start();
  const ask = await PUBLISHED[name].open(KEPT_TERMS, nodes.connections[0]);
  const charged = (index: number): Promise<boolean> =>
    new Promise((answered, failed) => ask(`key-${index}`, answered, failed));
  // The script is there, and what Redis keeps of it.
  await charged(keys);
  const before = await nodes.memory();
  for (let from = 0; from < keys; from += IN_FLIGHT) {
    const count = Math.min(IN_FLIGHT, keys - from);
    await Promise.all(Array.from({ length: count }, async (_, place) => charged(from + place)));
  }
  const after = await nodes.memory();
  return (after.keptBytes - before.keptBytes) / keys;
}

/** Short enough for an axis. */
function spoken({ limiter, variant }: Finding): string {
  const [name] = String(limiter).split(" ");
  return `${SPOKEN[name!] ?? name}: ${String(variant).replace("window from the first request", "window")}`;
}

const SPOKEN: Readonly<Record<string, string>> = {
  "rate-limiter-flexible": "flexible",
  "express-rate-limit": "express",
  "@upstash/ratelimit": "Upstash",
};

type Panel = Extract<TopLevelSpec, { hconcat: unknown }>["hconcat"][number];

function panel(field: string, title: string, isLog = false): Panel {
  return {
    width: 240,
    mark: { type: "point", filled: true },
    encoding: {
      y: { field: "racer", type: "nominal", sort: null, title: null },
      x: { field, type: "quantitative", title, scale: { type: isLog ? "log" : "linear" } },
      color: { field: "backend", type: "nominal", sort: null, title: null },
    },
  };
}
