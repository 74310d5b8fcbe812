/**
 * Experiment 4: what a hot key gets, what the others get beside it, and what no key can get more of. A key has one
 * place (its shard's owner here, its hash slot's server there), so more places help all keys but one:
 *
 *      Zipf 1.4    ▇▂▁▁▁▁…   hottest key ──▶ place 1 ▓▓▓▓▓▓▓▓  busy: the ceiling of the key, and so of the traffic
 *                            the rest    ──▶ place 2 ▓▓▓
 *
 * At full speed calls are encoded beforehand (server-speed.ts), so that the servers are the limit. Latency is counted
 * at an open loop's rate.
 */
import { micros, US_PER_S } from "../../core/units.ts";
import { homeShard } from "../../core/key.ts";
import type { NamedEvents } from "../backend.ts";
import { drive } from "../driver.ts";
import { EventColumns } from "../events.ts";
import { LocalBackend } from "../local-backend.ts";
import { RedisBackend, type RedisUse } from "../redis-backend.ts";
import { RedisNodes } from "../redis-nodes.ts";
import { median, quantile } from "../report.ts";
import { withEffort } from "./effort.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";
import { KeyShares } from "./key-shares.ts";
import { labTrace, type LabTrace } from "./lab-trace.ts";
import type { EncodedCalls } from "./redis-flood.ts";
import { encodedChunks, floodServers, type Speed } from "./server-speed.ts";

/** All is admitted: in Redis the dearer answer, since it writes. */
const PARAMS = { algorithm: "gcra", limit: 1_000_000, windowUs: micros(US_PER_S) } as const;
const USE: RedisUse = { clock: "app", batch: 64, batching: "pipeline" };
const nowUs = (): number => performance.now() * 1_000;

const TRAFFICS = [
  { traffic: "Zipf 0.8", zipfS: 0.8 },
  { traffic: "Zipf 1.1", zipfS: 1.1 },
  { traffic: "Zipf 1.4", zipfS: 1.4 },
  { traffic: "one key", keys: 1 },
] as const;
const PLACES = [
  { place: "1 shard here", count: 1, isRemote: false },
  { place: "2 shards here", count: 2, isRemote: false },
  { place: "1 Redis", count: 1, isRemote: true },
  { place: "2 Redis", count: 2, isRemote: true },
] as const;
/** Events at full speed, here and in Redis; and of an open loop. */
const FULL = { keys: 10_000, here: 1_000_000, remote: 100_000, rate: 20_000, seconds: 4, rounds: 5 };
const QUICK = { keys: 500, here: 20_000, remote: 4_000, rate: 4_000, seconds: 0.1, rounds: 1 };

interface Case {
  readonly traffic: (typeof TRAFFICS)[number]["traffic"];
  readonly place: (typeof PLACES)[number];
  readonly burst: LabTrace;
  readonly paced: LabTrace;
  readonly nodes: RedisNodes | undefined;
  /** The burst for a flood, by chunk, then by server. */
  readonly chunks: readonly (readonly EncodedCalls[])[];
  readonly speeds: Speed[];
}

export const hotKeys: Experiment = {
  name: "hot-keys",
  title: "Hot keys: one place has each key, and another place does not help it",
  hypothesis:
    "No place knows that a key is hot: a decision costs the same, and at a given rate the hottest key's p99 is the " +
    "median key's, since both wait in the same queue. What skew changes is how many decisions a second there can be: " +
    "a key has one shard's owner here (one thread) and one hash slot in Redis (one server, which runs scripts on one " +
    "thread), so that is its ceiling. Two places bring nearly twice as much under Zipf 0.8, ever less with more skew, " +
    "and nothing to one key.",
  isExact: false,
  needsRedis: true,
  async run({ isQuick, seed, progress }: Scale) {
    const size = isQuick ? QUICK : FULL;
    await using started = new AsyncDisposableStack();
    const servers = new Map<number, RedisNodes>();
    for (const count of [1, 2]) servers.set(count, started.use(await RedisNodes.start(count)));
    const cases = TRAFFICS.flatMap(({ traffic, ...shape }): Case[] => {
      const traceOf = (rate: number, seconds: number): LabTrace =>
        labTrace({ seed, keys: size.keys, rate, durationUs: seconds * US_PER_S, ...shape });
      // At full speed the trace's own pace means nothing.
      const bursts = { here: traceOf(size.here / 10, 10), remote: traceOf(size.remote / 10, 10) };
      const paced = traceOf(size.rate, size.seconds);
      return PLACES.map((place) => {
        const nodes = place.isRemote ? servers.get(place.count) : undefined;
        const burst = place.isRemote ? bursts.remote : bursts.here;
        const chunks = nodes === undefined ? [] : encodedChunks(PARAMS, burst, nodes);
        return { traffic, place, burst, paced, nodes, chunks, speeds: [] };
      });
    });
    const rows: Finding[] = [];
    // Round 0 warms up and is not counted.
    for (let round = 0; round <= size.rounds; round += 1) {
      for (const [done, each] of cases.entries()) {
        const speed = await fullSpeed(each);
        if (round > 0) each.speeds.push(speed);
        progress((0.5 * (round + done / cases.length)) / (size.rounds + 1));
      }
    }
    for (const each of cases) {
      rows.push(await finding(each, size.rate));
      progress(0.5 + (0.5 * rows.length) / cases.length);
    }
    return rows;
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: hotKeys.title,
    data: {
      values: rows.map((row) => ({
        ...row,
        where: row["redis_cpu_pct"] === null ? "here" : "in Redis",
        places: PLACES.find(({ place }) => place === row["place"])?.count,
      })),
    },
    facet: { column: { field: "where", sort: null, title: null } },
    spec: {
      width: 210,
      height: 180,
      mark: { type: "bar" },
      encoding: {
        y: { field: "traffic", type: "nominal", sort: null, title: null },
        yOffset: { field: "places", sort: null },
        x: { field: "decisions_per_s", type: "quantitative", title: "decisions a second, at full speed" },
        color: { field: "place", type: "nominal", sort: null, title: null },
      },
    },
    resolve: { scale: { x: "independent" } },
  }),
};

function fullSpeed({ burst, place, nodes, chunks }: Case): Promise<Speed> {
  return nodes === undefined
    ? shardsAtFullSpeed(burst, place.count)
    : floodServers(nodes, { params: PARAMS, chunks, decisions: burst.events.count });
}

/**
 * Shards share nothing, so they are measured one after the other, and the slowest says when all are done: what as many
 * cores would do, however many this machine has free.
 */
async function shardsAtFullSpeed(trace: LabTrace, shards: number): Promise<Speed> {
  let slowestUs = 0;
  const { effort } = await withEffort(undefined, { decisions: () => trace.events.count }, async () => {
    for (const events of splitByPlace(trace, shards)) {
      const backend = new LocalBackend({ events, names: trace.names }, PARAMS, trace.seed);
      const { elapsedUs } = await drive(events, backend, { pace: "max", nowUs });
      slowestUs = Math.max(slowestUs, elapsedUs);
    }
  });
  return { decisionsPerS: (US_PER_S * trace.events.count) / slowestUs, effort };
}

/** As the servers of several share keys. */
function splitByPlace({ events, names }: NamedEvents, places: number): EventColumns[] {
  const parts = Array.from({ length: places }, () => new EventColumns());
  for (let index = 0; index < events.count; index += 1) {
    const key = events.key[index]!;
    parts[homeShard("", names[key]!, places)]!.push(events.atUs[index]!, key, events.cost[index]!);
  }
  return parts.filter(({ count }) => count > 0);
}

interface Late {
  readonly hottestP99Us: number;
  readonly middleP99Us: number | null;
}

async function finding(each: Case, rate: number): Promise<Finding> {
  const { traffic, place, burst, speeds } = each;
  const shares = new KeyShares(burst.events, burst.names.length);
  const decisionsPerS = median(speeds.map((speed) => speed.decisionsPerS));
  const redisPct = speeds.flatMap(({ effort }) => effort.redis_cpu_pct ?? []);
  const parts = splitByPlace(burst, place.count).map((events) => events.count);
  // Shards that share a thread with their driver are late because of it.
  const late = place.isRemote || place.count === 1 ? await latenessOf(each) : undefined;
  return {
    traffic,
    place: place.place,
    decisions_per_s: decisionsPerS,
    slowest_round_per_s: Math.min(...speeds.map((speed) => speed.decisionsPerS)),
    fastest_round_per_s: Math.max(...speeds.map((speed) => speed.decisionsPerS)),
    hottest_pct: 100 * shares.hottest,
    hottest_per_s: decisionsPerS * shares.hottest,
    median_per_s: decisionsPerS * shares.median,
    busiest_place_pct: (100 * Math.max(...parts)) / burst.events.count,
    redis_cpu_pct: redisPct.length === 0 ? null : median(redisPct),
    client_cpu_pct: median(speeds.map(({ effort }) => effort.client_cpu_pct)),
    asked_per_s: late === undefined ? null : rate,
    hottest_p99_us: late?.hottestP99Us ?? null,
    median_p99_us: late?.middleP99Us ?? null,
  };
}

/** Of the hottest key, and of those about the median, which alone is asked too seldom to have a p99. */
async function latenessOf({ paced, nodes }: Case): Promise<Late> {
  const shares = new KeyShares(paced.events, paced.names.length);
  const hottestUs: number[] = [];
  const middleUs: number[] = [];
  const backend =
    nodes === undefined ? new LocalBackend(paced, PARAMS, paced.seed) : await emptied(nodes, paced);
  const onLatency = (index: number, latencyUs: number): void => {
    const key = paced.events.key[index]!;
    if (key === shares.hottestKey) hottestUs.push(latencyUs);
    else if (shares.isMiddle(key)) middleUs.push(latencyUs);
  };
  await drive(paced.events, backend, { pace: "real", nowUs, onLatency });
  return {
    hottestP99Us: quantile(hottestUs, 0.99),
    middleP99Us: middleUs.length === 0 ? null : quantile(middleUs, 0.99),
  };
}

async function emptied(nodes: RedisNodes, trace: LabTrace): Promise<RedisBackend> {
  await nodes.clear();
  return RedisBackend.open(nodes, trace, PARAMS, USE);
}
