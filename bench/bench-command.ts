/** What `npm run bench` does: one algorithm on one backend with one trace becomes one row (row.ts). */
import { setImmediate } from "node:timers/promises";
import type { AlgorithmName, AlgorithmParams } from "../algorithms/algorithm.ts";
import { invalidArgument, ParlError } from "../core/errors.ts";
import { micros } from "../core/units.ts";
import { AccuracyMeter, ENVELOPE_OF, ENVELOPES, type Accuracy } from "./accuracy.ts";
import { BACKEND_FLAGS, backendSource } from "./backend-flags.ts";
import type { Backend, Footprint } from "./backend.ts";
import { BATCH, drive, PACES, type DriveOptions, type DriveResult } from "./driver.ts";
import { EventColumns, nameKeys } from "./events.ts";
import type { Flags, FlagTable } from "./flags.ts";
import { describeMachine } from "./machine.ts";
import { openMetricsPort } from "./metrics-port.ts";
import { capacityOf } from "./oracle.ts";
import { Progress } from "./progress.ts";
import type { Row } from "./row.ts";
import { runMetrics } from "./run-metrics.ts";
import { RunTally } from "./run-tally.ts";
import { headerFromFlags, TRACE_FLAGS } from "./trace-flags.ts";
import { generateEvents } from "./trace-generator.ts";
import { readTrace } from "./trace-reader.ts";
import { KEYS_MAX, type Trace } from "./trace.ts";
import { warmUp } from "./warm-up.ts";

/** Short names, as they stand in tables. */
const ALGOS: ReadonlyMap<string, AlgorithmName> = new Map([
  ["fixed", "fixed-window"],
  ["slog", "sliding-log"],
  ["scounter", "sliding-window"],
  ["token", "token-bucket"],
  ["leaky", "leaky-bucket"],
  ["leaky-queue", "leaky-queue"],
  ["gcra", "gcra"],
  ["cwindow", "conservative-window"],
]);

/** How long somebody who looks at a run may have to wait. */
const BREATH_US = 10_000;

export const BENCH_FLAGS = {
  algo: { value: "A", about: [...ALGOS.keys()].join(", ") },
  ...BACKEND_FLAGS,
  hold: { value: "N", about: "keys held beside those of the trace, exhausted at its start", fallback: "0" },
  limit: { value: "N", about: "units per window", fallback: "100" },
  window: { value: "D", about: "the window", fallback: "1m" },
  burst: { value: "N", about: "capacity of token, leaky, leaky-queue and gcra; windows have none [limit]" },
  pace: { value: "real|max", about: "in the trace's time, or as fast as possible", fallback: "real" },
  envelope: { value: "window|bucket", about: "what accuracy is measured against [by algorithm]" },
  trace: { value: "F", about: "a trace made by npm run gen, - for standard input" },
  ...TRACE_FLAGS,
  "metrics-port": { value: "PORT", about: "Prometheus metrics on 127.0.0.1 while it runs" },
  csv: { value: "F", about: "append the row to CSV file F, - for standard output" },
  json: { about: "print the row as one line of JSON" },
} as const satisfies FlagTable;

/** @param nowUs a monotonic clock, with fractions */
export async function measuredRow(flags: Flags, nowUs: () => number): Promise<Row> {
  const algo = flags.choice("algo", [...ALGOS.keys()]);
  const pace = flags.choice("pace", PACES);
  const hold = flags.count("hold", { min: 0, max: KEYS_MAX });
  const metricsPort = flags.has("metrics-port") ? flags.count("metrics-port", { min: 0, max: 65_535 }) : null;
  const params = paramsFromFlags(flags, ALGOS.get(algo)!);
  const envelope = flags.has("envelope")
    ? flags.choice("envelope", ENVELOPES)
    : ENVELOPE_OF[params.algorithm];
  await using source = await backendSource(flags);
  const { header, events } = await traceFromFlags(flags, params);
  const names = nameKeys(events, header.keys);
  const batch = Math.ceil(BATCH / (source.batch ?? 1)) * (source.batch ?? 1);

  const options = { pace, nowUs, batch };
  const opened = (some: EventColumns): Promise<Backend> =>
    source.open({ events: some, names }, params, header.seed ?? 0);
  await warmUp(events, opened, options);
  const backend = await opened(events);
  await held(backend, hold, events.atUs[0]!);
  const { result, footprint } = await driven(events, backend, options, metricsPort);
  // At this pace Redis' clock and the trace's have nothing in common.
  const isJudged = !(source.clock === "redis" && pace === "max");
  const accuracy = isJudged
    ? accuracyOf(result, new AccuracyMeter(events, names.length, params, envelope))
    : null;

  return {
    algo,
    backend: source.name,
    dist: header.dist,
    rate: header.rate,
    keys: header.keys,
    over_admit_pct: accuracy?.overAdmitPct ?? null,
    under_admit_pct: accuracy?.underAdmitPct ?? null,
    bytes_per_key: footprint.bytesPerKey,
    p50_us: result.p50Us,
    p99_us: result.p99Us,
    p999_us: result.p999Us,
    decisions_per_s: result.decisionsPerS,
    redis_used_mem: footprint.redisUsedMem,
    envelope,
    pace,
    clock: source.clock,
    batch: source.batch,
    batch_as: source.batching,
    round_trips: backend.roundTrips,
    shape: header.shape,
    zipf_s: header.zipfS,
    seed: header.seed,
    trace: flags.text("trace") ?? null,
    limit: params.limit,
    window_us: params.windowUs,
    burst: capacityOf(params),
    duration_us: header.durationUs,
    events: events.count,
    denied: result.denied,
    distinct_keys: names.length,
    held_keys: hold,
    live_keys: footprint.liveKeys,
    elapsed_s: result.elapsedUs / 1e6,
    ...describeMachine(),
  };
}

async function held(backend: Backend, count: number, nowUs: number): Promise<void> {
  if (count === 0) return;
  const progress = new Progress("holding keys");
  await backend.hold(count, nowUs, (share) => progress.update(share));
  progress.done();
}

async function driven(
  events: EventColumns,
  backend: Backend,
  options: DriveOptions,
  metricsPort: number | null,
): Promise<{ result: DriveResult; footprint: Footprint }> {
  const progress = new Progress(backend.name);
  const tally = new RunTally();
  await using watched = new AsyncDisposableStack();
  if (metricsPort !== null) {
    watched.use(await openMetricsPort(metricsPort, async () => runMetrics(tally, backend)));
  }
  try {
    const result = await drive(events, backend, {
      ...options,
      tally,
      ...(metricsPort !== null && { breathe: breather(options.nowUs) }),
      onProgress: (share) => progress.update(share),
    });
    return { result, footprint: await backend.footprint() };
  } finally {
    progress.done();
  }
}

/** Lets the event loop turn now and then, for a backend that never waits. */
function breather(nowUs: () => number): () => Promise<void> {
  let breathedUs = nowUs();
  return async () => {
    if (nowUs() - breathedUs < BREATH_US) return;
    await setImmediate();
    breathedUs = nowUs();
  };
}

function accuracyOf(result: DriveResult, meter: AccuracyMeter): Accuracy {
  result.admitted.forEach((isAdmitted, index) => meter.observe(index, isAdmitted === 1));
  return meter.result();
}

function paramsFromFlags(flags: Flags, algorithm: AlgorithmName): AlgorithmParams {
  const limit = flags.count("limit", { min: 1, max: 2 ** 31 - 1 });
  const windowUs = micros(flags.durationUs("window"));
  if (!flags.has("burst")) return { algorithm, limit, windowUs };
  return { algorithm, limit, windowUs, burst: flags.count("burst", { min: 1, max: 2 ** 31 - 1 }) };
}

async function traceFromFlags(flags: Flags, params: AlgorithmParams): Promise<Trace> {
  const path = flags.text("trace");
  const redundant = Object.keys(TRACE_FLAGS).find((name) => flags.has(name));
  if (path !== undefined && redundant !== undefined) {
    throw unusable(redundant, "describes a trace to be made; leave it out, or leave out --trace");
  }
  const trace = path === undefined ? generated(flags) : await readTrace(path);
  const capacity = capacityOf(params);
  if (trace.header.costMax > capacity) {
    const name = flags.has("burst") && capacity === params.burst ? "--burst" : "--limit";
    throw invalidArgument(name, `at least the highest cost in the trace, ${trace.header.costMax}`, capacity);
  }
  if (trace.events.count === 0)
    throw unusable("duration", "leaves the trace without events; raise it or --rate");
  return trace;
}

function unusable(flag: string, problem: string): ParlError {
  return new ParlError("PARL_INVALID_ARGUMENT", `--${flag} ${problem}`, { field: `--${flag}` });
}

function generated(flags: Flags): Trace {
  const header = headerFromFlags(flags);
  const events = new EventColumns();
  const progress = new Progress("generating");
  for (const batch of generateEvents(header)) {
    events.append(batch);
    progress.update((batch.atUs[batch.count - 1]! - header.startUs) / header.durationUs);
  }
  progress.done();
  return { header, events };
}
