/**
 * Experiment 4, second part: what can be done for one key that is asked more than its server can answer, and what it
 * costs in accuracy. Limit L and burst B are the key's; both ways leave them as they are in sum.
 *
 *      units fetched ahead     clients ●●●○  ──now and then──▶  key: L, B      spent later than they were counted
 *      sub-keys                requests ──▶ key#0 … key#n−1: L/n, B/n each     one may be empty while another is not
 *
 * Accuracy is that of a run in the trace's time, answered in order; speed is what the servers can do (server-speed.ts)
 * or, where most decisions never reach them, what the client can; lateness is an open loop's, at the trace's pace.
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { Prng } from "../../core/prng.ts";
import { AccuracyMeter } from "../accuracy.ts";
import type { Decider } from "../backend.ts";
import { drive } from "../driver.ts";
import { EventColumns } from "../events.ts";
import { KEPT_MS } from "../held-keys.ts";
import { RedisBackend, type RedisUse } from "../redis-backend.ts";
import { RedisNodes } from "../redis-nodes.ts";
import { median } from "../report.ts";
import { AheadBackend } from "./ahead-backend.ts";
import { withEffort } from "./effort.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";
import { labTrace, type LabTrace } from "./lab-trace.ts";
import { percent, toThousandths } from "./percent.ts";
import { encodedChunks, floodServers } from "./server-speed.ts";

const LIMIT = 20_000;
/** A twentieth of a second's worth. */
const BURST = 1_000;
const PARAMS: AlgorithmParams = { algorithm: "gcra", limit: LIMIT, windowUs: micros(US_PER_S), burst: BURST };
const USE: RedisUse = { clock: "app", batch: 64, batching: "pipeline" };
/** The same decisions sooner, where nobody looks at the clock. */
const USE_UNTIMED: RedisUse = { ...USE, batching: "call" };
const CLIENTS = 4;
/** Of four that do not ask alike, in tenths. */
const UNEVEN = [0, 0, 0, 0, 1, 1, 1, 2, 2, 3];
const nowUs = (): number => performance.now() * 1_000;

interface Relief {
  readonly relief: string;
  readonly servers: 1 | 2;
  /** Units that a client fetches at once. */
  readonly ahead?: number;
  readonly subKeys?: number;
  /** Draws one of these for each request, instead of any sub-key. */
  readonly draw?: readonly number[];
}

const RELIEFS: readonly Relief[] = [
  { relief: "one key", servers: 1 },
  ...[10, 100, 500].map((ahead) => ({ relief: `${ahead} fetched ahead`, servers: 1 as const, ahead })),
  { relief: "2 sub-keys", servers: 2, subKeys: 2 },
  { relief: "8 sub-keys", servers: 2, subKeys: 8 },
  { relief: "8 sub-keys, same Redis", servers: 1, subKeys: 8 },
  { relief: "50 sub-keys", servers: 2, subKeys: 50 },
  { relief: "4 sub-keys, by uneven client", servers: 2, subKeys: 4, draw: UNEVEN },
];
const DEMANDS = [
  { demand: "90 % of the limit", pct: 90, arrivals: "steady" },
  { demand: "120 % of the limit", pct: 120, arrivals: "steady" },
  { demand: "30 %, in bursts 5–10 times that", pct: 30, arrivals: "spiky" },
] as const;
/** Of the trace that is decided, and of its beginning that is timed. */
const FULL = { seconds: 8, timedSeconds: 2, rounds: 3 };
const QUICK = { seconds: 0.35, timedSeconds: 0.02, rounds: 1 };

export const hotKeyRelief: Experiment = {
  name: "hot-key-relief",
  title: "Relief for one hot key in Redis: 20,000/s, burst 1,000, 4 clients",
  hypothesis:
    "Units fetched ahead take the key off its server as 1/batch, until what the clients hold together is as much as the " +
    "burst and the key is left empty. They cost accuracy upwards, clients × (batch − 1) at most beyond the burst, and are " +
    "the only way to decide without a round trip. Sub-keys on two servers nearly double the ceiling (on one they give " +
    "nothing) and cost accuracy downwards: never more than the limit, but a request is refused when its own sub-key " +
    "is empty: hardly more are refused than by the one key as long as requests spread evenly and parts are not small, " +
    "and very many when they do not.",
  isExact: false,
  needsRedis: true,
  async run({ isQuick, seed, progress }: Scale) {
    const { seconds, timedSeconds, rounds } = isQuick ? QUICK : FULL;
    await using started = new AsyncDisposableStack();
    const servers = { 1: started.use(await RedisNodes.start(1)), 2: started.use(await RedisNodes.start(2)) };
    const rows: Finding[] = [];
    for (const { demand, pct, arrivals } of DEMANDS) {
      const rate = (LIMIT * pct) / 100;
      const trace = labTrace({ seed, keys: 1, rate, durationUs: seconds * US_PER_S, arrivals });
      for (const relief of RELIEFS) {
        const scene = sceneOf(relief, trace, servers[relief.servers]);
        const timed = await timing(beginning(scene, Math.ceil(rate * timedSeconds)), rounds);
        const decided = await exactness(scene);
        rows.push({ demand, relief: relief.relief, servers: relief.servers, ...timed, ...decided });
        progress(rows.length / (DEMANDS.length * RELIEFS.length));
      }
    }
    return rows;
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: hotKeyRelief.title,
    data: { values: rows as object[] },
    hconcat: [
      { field: "decisions_per_s", title: "decisions a second, at full speed" },
      { field: "over_admit_pct", title: "over-admitted, % of the burst" },
      { field: "refused_pct", title: "refused, % of requests" },
    ].map(({ field, title }, column) => ({
      width: 190,
      // Some are tens of times as fast as others.
      mark: column === 0 ? { type: "point" as const, filled: true } : { type: "bar" as const },
      encoding: {
        y: {
          field: "relief",
          type: "nominal" as const,
          sort: null,
          title: null,
          ...(column > 0 && { axis: null }),
        },
        yOffset: { field: "demand", sort: null },
        x: {
          field,
          type: "quantitative" as const,
          title,
          ...(column === 0 && { scale: { type: "log" as const } }),
        },
        color: { field: "demand", type: "nominal" as const, sort: null, title: null },
      },
    })),
  }),
};

interface Scene {
  readonly relief: Relief;
  readonly nodes: RedisNodes;
  /** What is asked of the key; with sub-keys, the same asked of those. */
  readonly whole: LabTrace;
  readonly split: LabTrace;
  /** Of the key, or of one of its parts. */
  readonly params: AlgorithmParams;
}

function sceneOf(relief: Relief, whole: LabTrace, nodes: RedisNodes): Scene {
  const { subKeys = 1, draw } = relief;
  if (subKeys === 1) return { relief, nodes, whole, split: whole, params: PARAMS };
  const names = spreadNames(subKeys, nodes);
  const prng = new Prng(whole.seed);
  const events = new EventColumns(whole.events.count);
  for (let index = 0; index < whole.events.count; index += 1) {
    const part = draw === undefined ? prng.below(subKeys) : draw[prng.below(draw.length)]!;
    events.push(whole.events.atUs[index]!, part, whole.events.cost[index]!);
  }
  const params = { ...PARAMS, limit: LIMIT / subKeys, burst: BURST / subKeys };
  return { relief, nodes, whole, split: { ...whole, events, names }, params };
}

/** Names of sub-keys that fall on the servers in turn: few names by hash alone might share one. */
function spreadNames(count: number, nodes: RedisNodes): string[] {
  const names: string[] = [];
  for (let number = 0; names.length < count; number += 1) {
    const name = `hot#${number}`;
    if (nodes.nodeOf(name) === names.length % nodes.connections.length) names.push(name);
  }
  return names;
}

function beginning(scene: Scene, count: number): Scene {
  const first = (trace: LabTrace): LabTrace => ({ ...trace, events: trace.events.first(count) });
  return { ...scene, whole: first(scene.whole), split: first(scene.split) };
}

async function timing(scene: Scene, rounds: number): Promise<Finding> {
  const { nodes, whole } = scene;
  const speeds: number[] = [];
  // Round 0 warms up and is not counted.
  for (let round = 0; round <= rounds; round += 1) {
    const speed = await fullSpeed(scene);
    if (round > 0) speeds.push(speed);
  }
  const decider = await opened(scene);
  const { value, effort } = await withEffort(nodes, { decisions: () => whole.events.count }, () =>
    drive(whole.events, decider, { pace: "real", nowUs }),
  );
  return {
    decisions_per_s: median(speeds),
    p50_us: value.p50Us,
    p99_us: value.p99Us,
    round_trips_per_decision: decider.roundTrips / whole.events.count,
    redis_us_per_decision: effort.redis_us_per_decision,
    redis_cpu_pct: effort.redis_cpu_pct,
  };
}

/** By the trace's moments alone: one at a time where clients would race for what is left. */
async function exactness(scene: Scene): Promise<Finding> {
  const { relief, whole } = scene;
  const batch = relief.ahead === undefined ? 1_000 : 1;
  const { admitted, denied } = await drive(whole.events, await opened(scene, USE_UNTIMED), {
    pace: "max",
    nowUs,
    batch,
  });
  const accuracy = new AccuracyMeter(whole.events, 1, PARAMS);
  for (const [index, isAdmitted] of admitted.entries()) accuracy.observe(index, isAdmitted === 1);
  const { overAdmitPct, underAdmitPct } = accuracy.result();
  return {
    refused_pct: percent(denied, whole.events.count),
    over_admit_pct: toThousandths(overAdmitPct),
    under_admit_pct: toThousandths(underAdmitPct),
  };
}

async function fullSpeed(scene: Scene): Promise<number> {
  const { relief, nodes, whole, split, params } = scene;
  if (relief.ahead !== undefined) {
    return (await drive(whole.events, await opened(scene), { pace: "max", nowUs })).decisionsPerS;
  }
  const chunks = encodedChunks(params, split, nodes);
  return (await floodServers(nodes, { params, chunks, decisions: whole.events.count })).decisionsPerS;
}

async function opened(scene: Scene, use = USE): Promise<Decider & { roundTrips: number }> {
  const { relief, nodes, whole, split, params } = scene;
  await nodes.clear();
  if (relief.ahead === undefined) return RedisBackend.open(nodes, split, params, use);
  const [limiter] = nodes.limiters(params, KEPT_MS);
  await limiter!.load();
  const { ahead: batch } = relief;
  return new AheadBackend(whole.events, {
    limiter: limiter!,
    params,
    clients: CLIENTS,
    batch,
    seed: whole.seed,
  });
}
