/** What the selection page claims, and for each a result that would refute it: experiment, rows, what they say instead. */
import type { Finding } from "../../../bench/lab/experiment.ts";

export const CLAIMS: readonly (readonly [words: string, experiment: string, where: Finding, to: Finding])[] =
  [
    ["the log is exact", "accuracy-memory", { limiter: "sliding log" }, { under_admit_pct: 0.001 }],
    ["no search finds worse", "boundary-burst", { algorithm: "sliding-log" }, { worst_found_pct: 1 }],
    [
      "the conservative window never admits too much",
      "boundary-burst",
      { algorithm: "conservative-window" },
      { worst_found_pct: 1 },
    ],
    [
      "a log of busy keys costs many times the counter",
      "bytes-per-key",
      { algorithm: "sliding-log", backend: "local" },
      { bytes_per_key: 60 },
    ],
    [
      "the counter is less wrong than a fixed window",
      "accuracy-memory",
      { limiter: "sliding counter", traffic: "scanner" },
      { over_admit_pct: 101 },
    ],
    [
      "a fixed window refuses nothing without need",
      "accuracy-memory",
      { limiter: "fixed window", traffic: "steady" },
      { under_admit_pct: 1 },
    ],
    [
      "GCRA needs no more memory than a fixed window",
      "bytes-per-key",
      { algorithm: "fixed-window", backend: "local" },
      { bytes_per_key: 13 },
    ],
    [
      "token bucket, leaky meter and GCRA let the same through",
      "burst-shaping",
      { limiter: "leaky meter, B = 100", from_s: 5 },
      { admitted_per_s: 110 },
    ],
    [
      "GCRA is smaller than a token bucket",
      "bytes-per-key",
      { algorithm: "token-bucket", backend: "local" },
      { bytes_per_key: 14 },
    ],
    [
      "the queue admits as much",
      "burst-shaping",
      { limiter: "leaky queue of 100", from_s: 5 },
      { admitted_per_s: 110 },
    ],
    [
      "the queue is smoother",
      "burst-shaping",
      { limiter: "leaky queue of 100", from_s: 5 },
      { released_per_s: 400 },
    ],
    [
      "in Redis one number costs no more than two",
      "bytes-per-key",
      { algorithm: "token-bucket", backend: "redis" },
      { bytes_per_key: 170 },
    ],
    [
      "in Redis only the log is much dearer",
      "bytes-per-key",
      { algorithm: "conservative-window", backend: "redis" },
      { bytes_per_key: 300 },
    ],
    [
      "in Redis the log pays by the unit",
      "bytes-per-key",
      { algorithm: "sliding-log", backend: "redis" },
      { bytes_per_key: 200 },
    ],
    [
      "GCRA needs the same for one unit and for many",
      "hot-log",
      { algorithm: "gcra", admitted: 1_000_000 },
      { bytes: 200 },
    ],
    [
      "both counts fit into one value",
      "one-key-counter",
      { value_bits: 32, traffic: "spiky", limit: 1_000 },
      { unlike_two_windows_pct: 0.1 },
    ],
    [
      "a second Redis does nothing for one key",
      "hot-keys",
      { traffic: "one key", place: "2 Redis" },
      { decisions_per_s: 200_000 },
    ],
    [
      "a second Redis does less for steep traffic",
      "hot-keys",
      { traffic: "Zipf 1.4", place: "2 Redis" },
      { decisions_per_s: 280_000 },
    ],
    [
      "units fetched ahead save round trips",
      "hot-key-relief",
      { relief: "10 fetched ahead" },
      { round_trips_per_decision: 0.8 },
    ],
    [
      "sub-keys refuse uneven clients without need",
      "hot-key-relief",
      { relief: "4 sub-keys, by uneven client" },
      { under_admit_pct: 0 },
    ],
    [
      "a cold key waits for a hot one in its Redis",
      "fairness",
      { flood: "16 connections, pipelined" },
      { cold_p99_us: 700 },
    ],
    ["lifetimes give all keys back", "expiry", { at_s: 16.5 }, { keys: 1 }],
    [
      "the slowest algorithm here is faster than the fastest in Redis",
      "local-and-redis",
      { algorithm: "sliding-log", backend: "local", asked_per_s: null },
      { decisions_per_s: 100_000 },
    ],
  ];
