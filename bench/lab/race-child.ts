/** One racer, alone in its process; answers race-process.ts, once. */
import { setImmediate } from "node:timers/promises";
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { assert } from "../../core/assert.ts";
import { micros } from "../../core/units.ts";
import { AccuracyMeter } from "../accuracy.ts";
import type { Decider } from "../backend.ts";
import { drive, type DriveResult } from "../driver.ts";
import { LocalBackend } from "../local-backend.ts";
import { RedisBackend } from "../redis-backend.ts";
import { RedisNodes } from "../redis-nodes.ts";
import { median } from "../report.ts";
import { withEffort } from "./effort.ts";
import type { LabTrace } from "./lab-trace.ts";
import { PublishedBackend } from "./published-backend.ts";
import { PUBLISHED } from "./published-limiters.ts";
import type { RaceAnswer, RaceArgument } from "./race-process.ts";
import { fullSpeedTrace, raceTrace, withStringsOfTheirOwn } from "./race-trace.ts";
import { TraceClock } from "./trace-clock.ts";

/** Nobody has more than one call of its own for each decision, however many are under way. */
const USE = { clock: "app", batch: 1, batching: "pipeline" } as const;
const nowUs = (): number => performance.now() * 1_000;

const { racer, terms, size, seed, redisUrl } = JSON.parse(process.argv[2] ?? "") as RaceArgument;
const clock = new TraceClock();

process.send?.(await raced());

async function raced(): Promise<RaceAnswer> {
  // Empty again before the answer.
  await using nodes = redisUrl === null ? undefined : await RedisNodes.connect([redisUrl]);
  const fast = fullSpeedTrace(seed, size);
  const warmUp = { ...fast, events: fast.events.first(Math.ceil(fast.events.count / 5)) };
  await driven(withStringsOfTheirOwn(warmUp), "max", nodes);
  const speeds: number[] = [];
  const { effort } = await withEffort(
    nodes,
    { decisions: () => size.rounds * fast.events.count },
    async () => {
      for (let round = 0; round < size.rounds; round += 1) {
        speeds.push((await driven(withStringsOfTheirOwn(fast), "max", nodes)).decisionsPerS);
      }
    },
  );
  const trace = raceTrace(seed, size.keys, size.rate, size.seconds);
  const asItCame = await driven(trace, "real", nodes);
  const { overAdmitPct, underAdmitPct } = judged(trace, asItCame.admitted);
  return {
    decisions_per_s: median(speeds),
    redis_us_per_decision: effort.redis_us_per_decision,
    p50_us: asItCame.p50Us,
    p99_us: asItCame.p99Us,
    over_admit_pct: overAdmitPct,
    under_admit_pct: underAdmitPct,
    decisions: trace.events.count,
    denied: asItCame.denied,
  };
}

/** Everything forgotten, then the trace. */
async function driven(
  trace: LabTrace,
  pace: "real" | "max",
  nodes: RedisNodes | undefined,
): Promise<DriveResult> {
  await nodes?.clear();
  const decider = await opened(trace, nodes);
  assert(globalThis.gc !== undefined, "started with --expose-gc");
  globalThis.gc();
  // All are driven by the same loop, also those that answer at once.
  return drive(trace.events, decider, { pace, nowUs, breathe: setImmediate });
}

async function opened(trace: LabTrace, nodes: RedisNodes | undefined): Promise<Decider> {
  if ("published" in racer) {
    const ask = await PUBLISHED[racer.published].open(terms, nodes?.connections[0]);
    return new PublishedBackend(trace, clock, { ask, isRemote: nodes !== undefined });
  }
  if (nodes === undefined) return new LocalBackend(trace, params(), seed);
  return RedisBackend.open(nodes, trace, params(), USE);
}

function judged(trace: LabTrace, admitted: Uint8Array): ReturnType<AccuracyMeter["result"]> {
  const meter = new AccuracyMeter(trace.events, trace.names.length, params());
  for (let index = 0; index < trace.events.count; index += 1) meter.observe(index, admitted[index] === 1);
  return meter.result();
}

/** What it promises. */
function params(): AlgorithmParams {
  const algorithm = "published" in racer ? PUBLISHED[racer.published].algorithm : racer.parl;
  return { algorithm, limit: terms.limit, windowUs: micros(terms.windowUs) };
}
