/**
 * Experiment 3, third part: does a second Redis help, and a third? Keys are spread over them by hash; one process asks.
 * Numbers of servers take turns in every round.
 */
import { micros, US_PER_S } from "../../core/units.ts";
import { drive } from "../driver.ts";
import { RedisBackend, type RedisUse } from "../redis-backend.ts";
import { RedisNodes } from "../redis-nodes.ts";
import { median } from "../report.ts";
import { withEffort } from "./effort.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";
import { labTrace, type LabTrace } from "./lab-trace.ts";

const SERVERS = [1, 2, 3];
const PARAMS = { algorithm: "gcra", limit: 600, windowUs: micros(60 * US_PER_S) } as const;
const WAYS: readonly (readonly [string, RedisUse])[] = [
  ["calls of their own", { clock: "app", batch: 1, batching: "pipeline" }],
  ["pipelines of 64", { clock: "app", batch: 64, batching: "pipeline" }],
  ["64 in a call", { clock: "app", batch: 64, batching: "call" }],
];
const FULL = { keys: 100_000, events: 300_000, rounds: 5 };
const QUICK = { keys: 1_000, events: 3_000, rounds: 1 };

interface Run {
  readonly decisionsPerS: number;
  readonly p99Us: number;
  readonly clientPct: number;
  readonly redisPct: number;
}

export const severalRedis: Experiment = {
  name: "several-redis",
  title: "One Redis, two or three: GCRA, keys spread by hash, one client process",
  hypothesis:
    "A second Redis helps only where Redis is the limit. One client process of Node spends as long on a call of its " +
    "own as Redis does, so with those, and in pipelines, it is the client that cannot do more; with 64 keys in a call " +
    "the server works most, and a second one helps as long as there is a core for it.",
  isExact: false,
  needsRedis: true,
  async run({ isQuick, seed, progress }: Scale) {
    const { keys, events, rounds } = isQuick ? QUICK : FULL;
    const trace = labTrace({ seed, keys, rate: events / 10, durationUs: 10 * US_PER_S });
    await using started = new AsyncDisposableStack();
    const cases: { nodes: RedisNodes; way: string; use: RedisUse; runs: Run[] }[] = [];
    for (const servers of SERVERS) {
      const nodes = started.use(await RedisNodes.start(servers));
      for (const [way, use] of WAYS) cases.push({ nodes, way, use, runs: [] });
    }
    // Round 0 warms up and is not counted.
    for (let round = 0; round <= rounds; round += 1) {
      for (const [done, { nodes, use, runs }] of cases.entries()) {
        const run = await measured(nodes, trace, use);
        if (round > 0) runs.push(run);
        progress((round + done / cases.length) / (rounds + 1));
      }
    }
    return cases.map(({ nodes, way, runs }): Finding => ({
      servers: nodes.connections.length,
      way,
      decisions_per_s: median(runs.map((run) => run.decisionsPerS)),
      slowest_round_per_s: Math.min(...runs.map((run) => run.decisionsPerS)),
      fastest_round_per_s: Math.max(...runs.map((run) => run.decisionsPerS)),
      p99_us: median(runs.map((run) => run.p99Us)),
      client_cpu_pct: median(runs.map((run) => run.clientPct)),
      redis_cpu_pct: median(runs.map((run) => run.redisPct)),
    }));
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: severalRedis.title,
    data: { values: rows as object[] },
    width: 420,
    mark: { type: "bar" },
    encoding: {
      y: { field: "way", type: "nominal", sort: null, title: null },
      yOffset: { field: "servers", sort: null },
      x: { field: "decisions_per_s", type: "quantitative", title: "decisions a second" },
      color: { field: "servers", type: "ordinal", title: "Redis servers" },
    },
  }),
};

async function measured(nodes: RedisNodes, trace: LabTrace, use: RedisUse): Promise<Run> {
  await nodes.clear();
  const backend = await RedisBackend.open(nodes, trace, PARAMS, use);
  const { value, effort } = await withEffort(nodes, { decisions: () => trace.events.count }, () =>
    drive(trace.events, backend, { pace: "max", nowUs: () => performance.now() * 1_000, batch: 1_024 }),
  );
  return {
    decisionsPerS: value.decisionsPerS,
    p99Us: value.p99Us,
    clientPct: effort.client_cpu_pct,
    redisPct: effort.redis_cpu_pct ?? 0,
  };
}
