/**
 * Stretch: what cold keys feel while one hot key is asked as often as its place can answer.
 *
 *      hot    ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓  many connections, pipelined ──┐
 *      cold    │   │  │    │    500 a second ─────────────────┴──▶ one thread of a Redis, or of a shard here
 *
 * In Redis cold asks are sent by a timer, whatever has been answered, and counted from sending: a timer's own lateness
 * is not the server's. Here nobody is told to wait but by the thread itself, so it is counted from the moment due.
 */
import { setImmediate, setTimeout } from "node:timers/promises";
import { micros, US_PER_MS, US_PER_S } from "../../core/units.ts";
import type { RedisLimiter } from "../../lua/redis-limiter.ts";
import { drive } from "../driver.ts";
import { KEPT_MS } from "../held-keys.ts";
import { LocalBackend } from "../local-backend.ts";
import { RedisNodes } from "../redis-nodes.ts";
import { quantile } from "../report.ts";
import { withEffort } from "./effort.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";
import { HotFlood } from "./hot-flood.ts";
import { labTrace, type LabTrace } from "./lab-trace.ts";

/** All is admitted. */
const PARAMS = { algorithm: "gcra", limit: 1_000_000, windowUs: micros(US_PER_S) } as const;
const KEYS = 1_000;
const COLD_PER_S = 500;
const nowUs = (): number => performance.now() * 1_000;

interface RemoteScene {
  readonly flood: string;
  readonly connections: number;
  readonly batch: number;
  readonly isOneCall: boolean;
  /** The hot key has a Redis of its own. */
  readonly isElsewhere: boolean;
}

function pipelined(flood: string, connections: number, rest: Partial<RemoteScene> = {}): RemoteScene {
  return { flood, connections, batch: 500, isOneCall: false, isElsewhere: false, ...rest };
}

const ALONE = "none";
const REMOTE = [
  pipelined(ALONE, 0),
  pipelined("1 connection, pipelined", 1),
  pipelined("4 connections, pipelined", 4),
  pipelined("16 connections, pipelined", 16),
  pipelined("1 connection, 1,000 in a call", 1, { batch: 1_000, isOneCall: true }),
  pipelined("4 connections, to another Redis", 4, { isElsewhere: true }),
];
/** Hot decisions that the thread makes before it looks for others. */
const LOCAL = [
  { flood: ALONE, between: 0 },
  { flood: "100 between two turns", between: 100 },
  { flood: "1,000 between two turns", between: 1_000 },
];
const FULL = { seconds: 10 };
const QUICK = { seconds: 0.2 };

export const fairness: Experiment = {
  name: "fairness",
  title: "Cold keys beside a hot one: 500 cold asks a second, the hot key as fast as it goes",
  hypothesis:
    "Nobody is fair by itself: cold asks wait in the same queue as hot ones, not longer and not shorter. Redis takes " +
    "turns between connections, and from each what it has read at once (16 KiB, some 80 calls), so that cold p99 grows " +
    "with the connections that flood: about half a millisecond for each. A thousand decisions in one call are a turn " +
    "that cannot be cut. On another Redis the hot key is not felt, as long as there is a core for it. Here the same turn " +
    "of a thousand decisions is over in a fraction of a millisecond.",
  isExact: false,
  needsRedis: true,
  async run({ isQuick, seed, progress }: Scale) {
    const { seconds } = isQuick ? QUICK : FULL;
    await using nodes = await RedisNodes.start();
    await using others = await RedisNodes.start();
    const cold = labTrace({ seed, keys: KEYS, rate: COLD_PER_S, durationUs: seconds * US_PER_S });
    const warmUp = { ...cold, events: cold.events.first(Math.ceil(cold.events.count / 10)) };
    await inRedis(REMOTE[0]!, warmUp, { nodes, others });
    await here(0, warmUp);
    const rows: Finding[] = [];
    const add = (row: Finding): void => {
      rows.push(row);
      progress(rows.length / (REMOTE.length + LOCAL.length));
    };
    for (const scene of REMOTE) {
      add({ place: "redis", flood: scene.flood, ...(await inRedis(scene, cold, { nodes, others })) });
    }
    for (const { flood, between } of LOCAL) add({ place: "here", flood, ...(await here(between, cold)) });
    return rows;
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: fairness.title,
    data: { values: rows as object[] },
    transform: [
      { fold: ["cold_p50_us", "cold_p99_us", "cold_p999_us"], as: ["share", "us"] },
      { calculate: "datum.place + ', flood: ' + datum.flood", as: "scene" },
      { calculate: "replace(replace(datum.share, 'cold_', ''), '_us', '')", as: "quantile" },
    ],
    width: 420,
    mark: { type: "point", filled: true },
    encoding: {
      y: { field: "scene", type: "nominal", sort: null, title: null, axis: { labelLimit: 400 } },
      x: { field: "us", type: "quantitative", scale: { type: "log" }, title: "µs that a cold key waits" },
      color: { field: "quantile", type: "nominal", sort: null, title: null },
    },
  }),
};

async function inRedis(
  scene: RemoteScene,
  cold: LabTrace,
  { nodes, others }: { readonly nodes: RedisNodes; readonly others: RedisNodes },
): Promise<Finding> {
  const [limiter] = nodes.limiters(PARAMS, KEPT_MS);
  const flooded = scene.isElsewhere ? others : nodes;
  await limiter!.load();
  await flooded.limiters(PARAMS, KEPT_MS)[0]!.load();
  const { connections, batch, isOneCall } = scene;
  const address = flooded.connections[0]!.options;
  await using flood =
    connections === 0
      ? undefined
      : await HotFlood.start({ address, params: PARAMS, connections, batch, isOneCall });
  const { value: waitsUs, effort } = await withEffort(nodes, { decisions: () => cold.events.count }, () =>
    coldWaitsUs(limiter!, cold),
  );
  const hotPerS = flood === undefined ? 0 : await flood.stop();
  return found(hotPerS, effort.redis_cpu_pct, cold, (share) => quantile(waitsUs, share));
}

/** Each is sent when it is due, or as soon after as a timer is, and none waits for another. */
async function coldWaitsUs(limiter: RedisLimiter, { events, names }: LabTrace): Promise<number[]> {
  const startMs = performance.now();
  const ask = async (key: string): Promise<number> => {
    const sentMs = performance.now();
    await limiter.check(key, 1);
    return (performance.now() - sentMs) * US_PER_MS;
  };
  const waits: Promise<number>[] = [];
  for (let index = 0; index < events.count; index += 1) {
    const dueMs = startMs + (events.atUs[index]! - events.atUs[0]!) / US_PER_MS;
    const aheadMs = dueMs - performance.now();
    if (aheadMs > 0) await setTimeout(aheadMs);
    waits.push(ask(names[events.key[index]!]!));
  }
  return Promise.all(waits);
}

/** The hot key has its turn whenever nobody else does. */
async function here(between: number, cold: LabTrace): Promise<Finding> {
  const hot = labTrace({ seed: cold.seed, keys: 1, rate: 10 * Math.max(1, between), durationUs: US_PER_S });
  const shard = new LocalBackend(cold, PARAMS, cold.seed);
  const hotShard = new LocalBackend(hot, PARAMS, cold.seed);
  let hotDecisions = 0;
  const breathe = async (): Promise<void> => {
    if (between > 0) hotShard.submit(0, between, { decided: () => void (hotDecisions += 1) });
    await setImmediate();
  };
  const result = await drive(cold.events, shard, { pace: "real", nowUs, breathe });
  const waitsUs = new Map([
    [0.5, result.p50Us],
    [0.99, result.p99Us],
    [0.999, result.p999Us],
  ]);
  const hotPerS = (US_PER_S * hotDecisions) / result.elapsedUs;
  return found(hotPerS, null, cold, (share) => waitsUs.get(share)!);
}

function found(
  hotPerS: number,
  redisPct: number | null,
  cold: LabTrace,
  waitUs: (share: number) => number,
): Finding {
  return {
    hot_per_s: hotPerS,
    cold_asks: cold.events.count,
    cold_p50_us: waitUs(0.5),
    cold_p99_us: waitUs(0.99),
    cold_p999_us: waitUs(0.999),
    redis_cpu_pct: redisPct,
  };
}
