/**
 * Results of the lab for tests of what is made of them: those that are exact as they are committed, and invented ones
 * in place of what a machine would have to measure.
 */
import { readFile } from "node:fs/promises";
import { ALGORITHMS } from "../../../algorithms/algorithm.ts";
import type { Cell, Finding } from "../../../bench/lab/experiment.ts";
import { EXPERIMENTS } from "../../../bench/lab/experiments.ts";
import type { Result } from "../../../bench/lab/result.ts";

const BACKENDS = ["local", "redis"] as const;

const HOT: readonly Finding[] = [
  ["Zipf 0.8", 3.6, 255_000],
  ["Zipf 1.1", 15.3, 245_000],
  ["Zipf 1.4", 32.9, 234_000],
  ["one key", 100, 149_000],
].flatMap(([traffic, hottest_pct, twoServers]) => [
  hot(traffic!, "1 shard here", { hottest_pct: hottest_pct!, decisions_per_s: 10_100_000 }),
  hot(traffic!, "1 Redis", { hottest_pct: hottest_pct!, decisions_per_s: 148_000, hottest_p99_us: 2_500 }),
  hot(traffic!, "2 Redis", {
    hottest_pct: hottest_pct!,
    decisions_per_s: twoServers!,
    hottest_p99_us: 3_500,
  }),
]);

/** Of each: decisions a second below the limit, and above it. */
const RELIEFS = [
  ["one key", 180_000, 179_000],
  ["10 fetched ahead", 640_000, 178_000],
  ["500 fetched ahead", 2_500_000, 140_000],
  ["2 sub-keys", 330_000, 310_000],
  ["8 sub-keys", 320_000, 309_000],
  ["8 sub-keys, same Redis", 175_000, 174_000],
  ["50 sub-keys", 319_000, 308_000],
  ["4 sub-keys, by uneven client", 300_000, 299_000],
] as const;

/** An experiment's name and rows that it could have found. */
const INVENTED: Readonly<Record<string, readonly Finding[]>> = {
  "lua-agreement": ALGORITHMS.map((algorithm) => ({ algorithm, decisions: 1_000_100, differences: 0 })),
  "bytes-per-key": ALGORITHMS.flatMap((algorithm) =>
    BACKENDS.flatMap((backend) =>
      (algorithm === "sliding-log" ? [1, 10] : [1]).map((hits) => ({
        algorithm,
        backend,
        keys: 10_000_000 / hits,
        hits,
        bytes_per_key: keyBytes(algorithm, backend) + (hits === 1 ? 0 : 240),
      })),
    ),
  ),
  "hot-log": [1, 100, 1_000_000].flatMap((admitted) => [
    { algorithm: "sliding-log", backend: "redis", admitted, bytes: 180 + 13.4 * admitted },
    { algorithm: "gcra", backend: "redis", admitted, bytes: 104 },
  ]),
  expiry: [
    { lifetime: "lifetime of its debt", at_s: 4.5, keys: 1_000_000, used_bytes: 190_000_000 },
    { lifetime: "lifetime of its debt", at_s: 16.5, keys: 0, used_bytes: 120_000 },
    { lifetime: "none to speak of", at_s: 20, keys: 1_000_000, used_bytes: 190_500_000 },
  ],
  "local-and-redis": ALGORITHMS.flatMap((algorithm) =>
    BACKENDS.flatMap((backend) =>
      [null, 50_000, 100_000].map((asked_per_s) => ({
        algorithm,
        backend,
        asked_per_s,
        decisions_per_s: backend === "local" ? 5_120_000 : 112_000,
        p99_us: backend === "local" ? 1.37 : 1_730,
        redis_us_per_decision: backend === "local" ? null : 4.56,
      })),
    ),
  ),
  batching: ["empty script, pipelined", "GCRA, pipelined", "GCRA, one call"].flatMap((way, i) =>
    [1, 64].map((batch) => ({
      way,
      batch,
      decisions_per_s: 21_300 * batch,
      p50_us: 43.2,
      redis_us_per_decision: i === 0 ? 1.1 : 5.5,
    })),
  ),
  "hot-keys": HOT,
  "hot-key-relief": ["90 % of the limit", "120 % of the limit", "30 %, in bursts 5–10 times that"].flatMap(
    (demand) =>
      RELIEFS.map(([relief, below, above]) => ({
        demand,
        relief,
        servers: 1,
        decisions_per_s: demand.startsWith("120") ? above : below,
        p99_us: 900,
        round_trips_per_decision: relief.includes("ahead") ? 0.1 : 0.9,
        refused_pct: 16,
        over_admit_pct: relief.includes("ahead") ? 0.7 : 0,
        under_admit_pct: 13.9,
      })),
  ),
  fairness: [
    ["redis", "none", 350],
    ["redis", "1 connection, pipelined", 1_700],
    ["redis", "4 connections, pipelined", 6_300],
    ["redis", "16 connections, pipelined", 24_000],
    ["redis", "4 connections, to another Redis", 230],
    ["here", "1,000 between two turns", 98],
  ].map(([place, flood, cold_p99_us]) => ({
    place: place!,
    flood: flood!,
    cold_p99_us: cold_p99_us!,
    hot_per_s: 9.9e6,
  })),
  "server-clock": ["one at a time", "pipelined"].flatMap((way) =>
    ["app", "server"].map((clock) => ({
      algorithm: "gcra",
      way,
      clock,
      decisions_per_s: clock === "app" ? 153_000 : 134_000,
      p50_us: 91.3,
      redis_us_more: clock === "app" ? null : 0.87,
    })),
  ),
  peers: [
    ...BACKENDS.flatMap((backend) => [
      raced("PARL", "fixed-window", backend),
      raced("rate-limiter-flexible 1.2.3", "window from the first request", backend),
    ]),
    raced("express-rate-limit 4.5.6", "window from the first request", "local"),
    ...["fixed window", "sliding window", "bucket, limit by limit"].map((variant) =>
      raced("@upstash/ratelimit 7.8.9", variant, "redis"),
    ),
  ],
  "several-redis": [1, 2, 3].map((servers) => ({
    way: "64 in a call",
    servers,
    decisions_per_s: 150_000 + 10_000 * servers,
    client_cpu_pct: 99,
  })),
};

function hot(traffic: Cell, place: string, numbers: Finding): Finding {
  const late = {
    asked_per_s: 20_000,
    hottest_p99_us: null,
    median_p99_us: traffic === "one key" ? null : 3_000,
  };
  return { traffic, place, busiest_place_pct: 61.6, redis_cpu_pct: 99.9, ...late, ...numbers };
}

function raced(limiter: string, variant: string, backend: string): Finding {
  const isOurs = limiter === "PARL";
  const numbers = {
    decisions_per_s: 99_000,
    redis_us_per_decision: isOurs ? 5.3 : 2.7,
    bytes_per_key: isOurs ? 321 : 111,
    over_admit_pct: 77,
  };
  return { limiter, variant, backend, ...numbers };
}

function keyBytes(algorithm: string, backend: string): number {
  if (algorithm === "sliding-log") return backend === "local" ? 75 : 278;
  if (backend === "redis") return 182;
  return algorithm === "gcra" || algorithm === "leaky-queue" || algorithm === "fixed-window" ? 14.3 : 19.1;
}

export async function measuredResults(): Promise<Map<string, Result>> {
  const results = await Promise.all(
    EXPERIMENTS.map(async ({ name, title, hypothesis, isExact }): Promise<Result | undefined> => {
      if (isExact) return JSON.parse(await committed(`${name}.json`)) as Result;
      const rows = INVENTED[name];
      if (rows === undefined) return undefined;
      const machine = { cpu: "Abacus", cores: 2, memory_gib: 24, node: "v24.0.0", commit: "0123456789ab" };
      const where = { machine, redis: "7.0.15", date: "2026-01-02T03:04:05.678Z" };
      return { experiment: name, title, hypothesis, seed: 1, ...where, rows };
    }),
  );
  return new Map(
    results.filter((result) => result !== undefined).map((result) => [result.experiment, result]),
  );
}

function committed(name: string): Promise<string> {
  return readFile(new URL(`../../../docs/lab/${name}`, import.meta.url), "utf8");
}
