/**
 * Experiment 3, first part: what a decision costs here and in Redis, by algorithm: as many as it can, and the latency
 * of a stream that comes whether or not it is answered (open loop, counted from the moment it was due).
 */
import { ALGORITHMS, type AlgorithmName } from "../../algorithms/algorithm.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import type { Backend } from "../backend.ts";
import { drive, type DriveOptions } from "../driver.ts";
import { LocalBackend } from "../local-backend.ts";
import { RedisBackend, type RedisUse } from "../redis-backend.ts";
import { RedisNodes } from "../redis-nodes.ts";
import { warmUp } from "../warm-up.ts";
import { withEffort } from "./effort.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";
import { labTrace, type LabTrace } from "./lab-trace.ts";

const WINDOW_US = micros(60 * US_PER_S);
const LIMIT = 600;
/** What is due together travels together, each decision as a call of its own: one EVALSHA per decision. */
const USE: RedisUse = { clock: "app", batch: 64, batching: "pipeline" };
const nowUs = (): number => performance.now() * 1_000;

const FULL = { keys: 100_000, events: 400_000, rates: [10_000, 50_000, 100_000], seconds: 10 };
const QUICK = { keys: 500, events: 4_000, rates: [5_000], seconds: 0.05 };

interface Run {
  readonly algorithm: AlgorithmName;
  readonly backend: "local" | "redis";
  /** Null: as many as it can. */
  readonly rate: number | null;
}

export const localAndRedis: Experiment = {
  name: "local-and-redis",
  title: "A decision here and in Redis: how many a second, and how late",
  hypothesis:
    "In this process a decision costs well under a microsecond; with one EVALSHA each, Redis and its client cost about " +
    "ten, nearly all of it in getting there, so that algorithms differ by a few microseconds at most: the windows that " +
    "read several fields, and the log. One Redis carries 100,000 a second with p99 below 2 ms.",
  isExact: false,
  needsRedis: true,
  async run({ isQuick, seed, progress }: Scale) {
    const { keys, events, rates, seconds } = isQuick ? QUICK : FULL;
    await using nodes = await RedisNodes.start();
    nodes.keepApart();
    // At full speed the trace's own pace means nothing.
    const burst = labTrace({ seed, keys, rate: events / 10, durationUs: 10 * US_PER_S });
    const traces = new Map<number | null, LabTrace>([[null, burst]]);
    for (const rate of rates) {
      traces.set(rate, labTrace({ seed, keys, rate, durationUs: seconds * US_PER_S }));
    }
    const runs = ALGORITHMS.flatMap((algorithm) =>
      [null, ...rates].flatMap((rate) => [
        { algorithm, backend: "local" as const, rate },
        { algorithm, backend: "redis" as const, rate },
      ]),
    );
    const rows: Finding[] = [];
    for (const run of runs) {
      rows.push(await measured(run, traces.get(run.rate)!, nodes));
      progress(rows.length / runs.length);
    }
    return rows;
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: localAndRedis.title,
    data: { values: rows.map((row) => ({ ...row, asked: askedText(row["asked_per_s"]) })) },
    hconcat: [
      {
        width: 260,
        transform: [{ filter: "datum.asked_per_s === null" }],
        mark: { type: "point", filled: true },
        encoding: {
          y: { field: "algorithm", type: "nominal", sort: null, title: null },
          x: {
            field: "decisions_per_s",
            type: "quantitative",
            scale: { type: "log" },
            title: "decisions a second, at full speed",
          },
          color: { field: "backend", type: "nominal", sort: null, title: null },
        },
      },
      {
        width: 260,
        transform: [{ filter: "datum.asked_per_s !== null" }],
        mark: { type: "point", filled: true },
        encoding: {
          y: { field: "algorithm", type: "nominal", sort: null, title: null },
          x: {
            field: "p99_us",
            type: "quantitative",
            scale: { type: "log" },
            title: "p99 in µs, from the moment it was due",
          },
          color: { field: "backend", type: "nominal", sort: null, title: null },
          shape: { field: "asked", type: "nominal", sort: null, title: null },
        },
      },
    ],
  }),
};

async function measured(run: Run, trace: LabTrace, nodes: RedisNodes): Promise<Finding> {
  const { algorithm, backend, rate } = run;
  const isRemote = backend === "redis";
  const options: DriveOptions = { pace: rate === null ? "max" : "real", nowUs, batch: 1_024 };
  await warmUp(trace.events, async (events) => opened(run, { ...trace, events }, nodes), options);
  const decider = await opened(run, trace, nodes);
  const { value, effort } = await withEffort(
    isRemote ? nodes : undefined,
    { decisions: () => trace.events.count },
    () => drive(trace.events, decider, options),
  );
  return {
    algorithm,
    backend,
    asked_per_s: rate,
    decisions_per_s: value.decisionsPerS,
    p50_us: value.p50Us,
    p99_us: value.p99Us,
    p999_us: value.p999Us,
    decisions: trace.events.count,
    denied: value.denied,
    round_trips: decider.roundTrips,
    ...effort,
  };
}

async function opened({ algorithm, backend }: Run, trace: LabTrace, nodes: RedisNodes): Promise<Backend> {
  const params = { algorithm, limit: LIMIT, windowUs: WINDOW_US };
  if (backend === "local") return new LocalBackend(trace, params, trace.seed);
  await nodes.clear();
  return RedisBackend.open(nodes, trace, params, USE);
}

function askedText(rate: unknown): string {
  return typeof rate === "number" ? `${rate / 1_000} k/s asked` : "full speed";
}
