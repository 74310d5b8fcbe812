/**
 * Experiment 7, second part: what the server's clock costs. The same script in the same Redis is told the time, or
 * asks for it; clocks take turns, so that whatever else the machine does hits both alike.
 *
 *      app clock      EVALSHA … 1753267200123456 1     decide
 *      server clock   EVALSHA … 0 1                    TIME, decide
 */
import { ALGORITHMS, type AlgorithmName, type AlgorithmParams } from "../../algorithms/algorithm.ts";
import { Prng } from "../../core/prng.ts";
import { micros, US_PER_MS, US_PER_S } from "../../core/units.ts";
import type { Ask } from "../../lua/script-protocol.ts";
import { KEPT_MS } from "../held-keys.ts";
import { RedisNodes } from "../redis-nodes.ts";
import { median, quantile } from "../report.ts";
import { withEffort, type Effort } from "./effort.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";
import { encodedDecisions, RedisFlood, type EncodedCalls } from "./redis-flood.ts";

/** More than a key is asked for in a round: all is admitted, by either clock. */
const LIMIT = 600;
const WINDOW_US = micros(60 * US_PER_S);
const KEYS = 10_000;
const CLOCKS = ["app", "server"] as const;
const WAYS = ["one at a time", "pipelined"] as const;
/** Calls of a flood that travel together, two such batches under way; so many are drawn, and sent in turns. */
const BATCH = 500;
const FULL = { rounds: 5, roundMs: 300, batches: 20 };
const QUICK = { rounds: 1, roundMs: 10, batches: 2 };

interface Round {
  readonly decisionsPerS: number;
  /** Of a call on its own. */
  readonly callsUs: readonly number[];
  readonly decisions: number;
  readonly effort: Effort;
}

interface Case {
  readonly params: AlgorithmParams;
  readonly clock: (typeof CLOCKS)[number];
  readonly way: (typeof WAYS)[number];
  readonly rounds: Round[];
}

export const serverClock: Experiment = {
  name: "server-clock",
  title: "The price of the server's clock: TIME in the script, or the caller's time",
  hypothesis:
    "TIME is one more command in the script, about a microsecond of the server's time and the same for every " +
    "algorithm. One at a time nobody notices, since the round trip is a hundred times as long; pipelined, where the " +
    "server is the limit, it costs some ten per cent of the decisions a second.",
  isExact: false,
  needsRedis: true,
  async run({ isQuick, seed, progress }: Scale) {
    const { rounds, roundMs, batches } = isQuick ? QUICK : FULL;
    await using nodes = await RedisNodes.start();
    const cases = ALGORITHMS.flatMap((algorithm: AlgorithmName) => {
      const params = { algorithm, limit: LIMIT, windowUs: WINDOW_US };
      return WAYS.flatMap((way) => CLOCKS.map((clock): Case => ({ params, clock, way, rounds: [] })));
    });
    // Round 0 warms up and is not counted.
    for (let round = 0; round <= rounds; round += 1) {
      const prng = new Prng(seed);
      for (const [done, each] of cases.entries()) {
        const ms = round === 0 ? roundMs / 10 : roundMs;
        const measured = await (each.way === "pipelined"
          ? flooded(nodes, each, { ms, batches, prng })
          : asked(nodes, each, { ms, prng }));
        if (round > 0) each.rounds.push(measured);
        progress((round + done / cases.length) / (rounds + 1));
      }
    }
    progress(1);
    return cases.map((each) => finding(each, cases));
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: serverClock.title,
    data: { values: rows.filter(({ way }) => way === "pipelined") },
    hconcat: [
      { field: "redis_us_per_decision", title: "µs of the server a decision" },
      { field: "decisions_per_s", title: "decisions a second, pipelined" },
    ].map(({ field, title }) => ({
      width: 230,
      mark: { type: "bar" as const },
      encoding: {
        y: { field: "algorithm", type: "nominal" as const, sort: null, title: null },
        yOffset: { field: "clock", sort: null },
        x: { field, type: "quantitative" as const, title },
        color: { field: "clock", type: "nominal" as const, sort: null, title: "clock" },
      },
    })),
  }),
};

/** One after the other, by way of the limiter. */
async function asked(
  nodes: RedisNodes,
  { params, clock }: Case,
  { ms, prng }: { readonly ms: number; readonly prng: Prng },
): Promise<Round> {
  const [limiter] = nodes.limiters(params, KEPT_MS);
  await nodes.clear();
  await limiter!.load();
  const callsUs: number[] = [];
  return measuredRound(nodes, ms, async (untilMs) => {
    for (let startMs = performance.now(); startMs < untilMs;) {
      const { key, cost, nowUs } = askOf(clock, prng);
      await limiter!.check(key, cost, nowUs);
      const nowMs = performance.now();
      callsUs.push((nowMs - startMs) * US_PER_MS);
      startMs = nowMs;
    }
    return { decisions: callsUs.length, callsUs };
  });
}

/** As fast as the server can, by way of nothing. */
async function flooded(
  nodes: RedisNodes,
  { params, clock }: Case,
  { ms, batches, prng }: { readonly ms: number; readonly batches: number; readonly prng: Prng },
): Promise<Round> {
  await nodes.clear();
  await nodes.limiters(params, KEPT_MS)[0]!.load();
  const drawn = Array.from({ length: batches }, (): EncodedCalls => {
    const asks = Array.from({ length: BATCH }, () => askOf(clock, prng));
    return encodedDecisions(params, asks, { ttlMinMs: KEPT_MS });
  });
  using flood = await RedisFlood.open(nodes.connections[0]!.options);
  return await measuredRound(nodes, ms, async (untilMs) => {
    let sent = 1;
    let underWay = flood.send(drawn[0]!);
    for (; performance.now() < untilMs; sent += 1) {
      const next = flood.send(drawn[sent % batches]!);
      await underWay;
      underWay = next;
    }
    await underWay;
    return { decisions: sent * BATCH, callsUs: [] };
  });
}

async function measuredRound(
  nodes: RedisNodes,
  ms: number,
  work: (untilMs: number) => Promise<Pick<Round, "decisions" | "callsUs">>,
): Promise<Round> {
  let decisions = 0;
  const { value, effort } = await withEffort(nodes, { decisions: () => decisions }, async () => {
    const startMs = performance.now();
    const done = await work(startMs + ms);
    decisions = done.decisions;
    return { ...done, elapsedMs: performance.now() - startMs };
  });
  return { ...value, decisionsPerS: (1_000 * decisions) / value.elapsedMs, effort };
}

function askOf(clock: Case["clock"], prng: Prng): Ask {
  const key = `key-${prng.below(KEYS)}`;
  return clock === "server" ? { key, cost: 1 } : { key, cost: 1, nowUs: micros(Date.now() * US_PER_MS) };
}

function finding(each: Case, cases: readonly Case[]): Finding {
  const { params, clock, way, rounds } = each;
  const callsUs = rounds.flatMap((round) => round.callsUs);
  const isAlone = callsUs.length > 0;
  const told = cases.find((other) => other.params === params && other.way === way && other.clock === "app")!;
  return {
    algorithm: params.algorithm,
    way,
    clock,
    decisions_per_s: median(rounds.map((round) => round.decisionsPerS)),
    p50_us: isAlone ? quantile(callsUs, 0.5) : null,
    p99_us: isAlone ? quantile(callsUs, 0.99) : null,
    redis_us_per_decision: usualUs(each),
    redis_us_more: clock === "app" ? null : usualUs(each) - usualUs(told),
    redis_cpu_pct: median(rounds.map(({ effort }) => effort.redis_cpu_pct ?? 0)),
  };
}

function usualUs({ rounds }: Case): number {
  return median(rounds.map(({ effort }) => effort.redis_us_per_decision ?? 0));
}
