/**
 * Experiment 3, second part: what it saves to ask for many decisions at once, and what is left. One connection, one
 * batch under way at a time; ways of asking take turns, so that whatever else the machine does hits all alike.
 *
 *      PING, pipelined            the way there and back, and what the client does for a command
 *      empty script, pipelined    … and calling a script that gets the same words and does nothing
 *      GCRA, pipelined            … and deciding
 *      GCRA, one call             one script decides for all keys of the batch
 */
import { createHash } from "node:crypto";
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { ParlError } from "../../core/errors.ts";
import { Prng } from "../../core/prng.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { scriptNumbers } from "../../lua/limiter-params.ts";
import { RedisKeys } from "../../lua/redis-keys.ts";
import { RedisScript } from "../../lua/redis-script.ts";
import { loadScript } from "../../lua/script-loader.ts";
import { ScriptProtocol, type Ask } from "../../lua/script-protocol.ts";
import { KEPT_MS } from "../held-keys.ts";
import { RedisNodes } from "../redis-nodes.ts";
import { quantile } from "../report.ts";
import { START_US } from "../trace.ts";
import { withEffort } from "./effort.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";

const PARAMS: AlgorithmParams = { algorithm: "gcra", limit: 600, windowUs: micros(60 * US_PER_S) };
const BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];
const KEYS = 10_000;
const FULL = { rounds: 5, roundMs: 400 };
const QUICK = { rounds: 1, roundMs: 15 };

const PING = "PING, pipelined";
const EMPTY = "empty script, pipelined";
const PIPELINED = "GCRA, pipelined";
const ONE_CALL = "GCRA, one call";
/** What a pipelined decision is made of. */
const PARTS = ["the way: as PING", "calling a script", "deciding"] as const;

/** Sends a batch and waits for all its answers. */
type Way = (asks: readonly Ask[]) => Promise<unknown>;

/** What one way has come to with one batch size, over all rounds. */
interface Sample {
  readonly way: string;
  readonly batch: number;
  readonly batchUs: number[];
  clientUs: number;
  redisUs: number;
}

export const batching: Experiment = {
  name: "batching",
  title: "Asking for many decisions at once: GCRA in one Redis, one connection",
  hypothesis:
    "One at a time, nearly all of a decision is the round trip: PING takes as long. Pipelining shares it, and levels " +
    "off at what client and server do for each command, about ten microseconds together; the decision itself is the " +
    "smaller half of the server's part. One call for all keys shares the command as well, and ends at a few " +
    "microseconds a decision, at the price that nobody else is answered before the whole call is done.",
  isExact: false,
  needsRedis: true,
  async run({ isQuick, seed, progress }: Scale) {
    const { rounds, roundMs } = isQuick ? QUICK : FULL;
    await using nodes = await RedisNodes.start();
    const ways = await waysOf(nodes);
    const samples = BATCHES.flatMap((batch) =>
      [...ways.keys()].map((way): Sample => ({ way, batch, batchUs: [], clientUs: 0, redisUs: 0 })),
    );
    const prng = new Prng(seed);
    // Round 0 warms up and is not counted.
    for (let round = 0; round <= rounds; round += 1) {
      for (const [done, sample] of samples.entries()) {
        await askFor(round === 0 ? roundMs / 10 : roundMs, ways.get(sample.way)!, sample, { nodes, prng });
        progress((round + done / samples.length) / (rounds + 1));
      }
      if (round === 0) for (const sample of samples) forget(sample);
    }
    return findings(samples);
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: batching.title,
    data: { values: rows as object[] },
    vconcat: [
      {
        width: 420,
        mark: { type: "line", point: true },
        encoding: {
          x: batchAxis(),
          y: {
            field: "decisions_per_s",
            type: "quantitative",
            scale: { type: "log" },
            title: "commands or decisions a second",
          },
          color: { field: "way", type: "nominal", sort: null, title: null },
        },
      },
      {
        width: 420,
        height: 150,
        transform: [
          { filter: `datum.way === '${PIPELINED}'` },
          { calculate: "max(0, datum.way_us)", as: PARTS[0] },
          { calculate: "max(0, datum.call_us)", as: PARTS[1] },
          { calculate: "max(0, datum.decide_us)", as: PARTS[2] },
          { fold: [...PARTS], as: ["part", "us"] },
          { calculate: `indexof(${JSON.stringify(PARTS)}, datum.part)`, as: "place" },
        ],
        mark: { type: "bar" },
        encoding: {
          x: { field: "batch", type: "ordinal", title: "batch, pipelined" },
          y: { field: "us", type: "quantitative", title: "µs a decision" },
          color: { field: "part", type: "nominal", sort: null, title: null },
          order: { field: "place", type: "quantitative" },
        },
      },
    ],
    resolve: { scale: { color: "independent" } },
  }),
};

function batchAxis() {
  return {
    field: "batch",
    type: "quantitative" as const,
    scale: { type: "log" as const, base: 2 },
    title: "decisions asked for at once",
  };
}

async function waysOf(nodes: RedisNodes): Promise<ReadonlyMap<string, Way>> {
  const redis = nodes.connections[0]!;
  const [limiter] = nodes.limiters(PARAMS, KEPT_MS);
  await limiter!.load();
  const { contract } = loadScript(PARAMS.algorithm);
  const protocol = new ScriptProtocol(contract, {
    keys: new RedisKeys("empty", PARAMS),
    numbers: { ...scriptNumbers(PARAMS), ttl_min_ms: KEPT_MS },
    limit: PARAMS.limit,
  });
  const text = "return '0 99 0 600000'\n";
  const sha1 = createHash("sha1").update(text).digest("hex");
  const empty = new RedisScript(redis, { text, sha1 }, { deadlineMs: KEPT_MS, inFlightMax: Infinity });
  await empty.load();
  return new Map<string, Way>([
    [
      PING,
      (asks) => {
        const pipeline = redis.pipeline();
        for (const _ of asks) pipeline.ping();
        return pipeline.exec();
      },
    ],
    [EMPTY, (asks) => empty.runAll(asks.map((ask) => protocol.pack("check", [ask])))],
    [PIPELINED, (asks) => limiter!.checkPipelined(asks).then(throwFailures)],
    [ONE_CALL, (asks) => limiter!.checkBatch(asks)],
  ]);
}

function throwFailures(answers: readonly unknown[]): void {
  const failure = answers.find((answer) => answer instanceof ParlError);
  if (failure !== undefined) throw failure;
}

async function askFor(
  ms: number,
  way: Way,
  sample: Sample,
  { nodes, prng }: { readonly nodes: RedisNodes; readonly prng: Prng },
): Promise<void> {
  const batchUs: number[] = [];
  const command = sample.way === PING ? "ping" : "evalsha";
  const decisions = (): number => batchUs.length * sample.batch;
  const { effort } = await withEffort(nodes, { command, decisions }, async () => {
    const endMs = performance.now() + ms;
    for (let startMs = performance.now(); startMs < endMs;) {
      await way(asksOf(sample.batch, startMs, prng));
      const nowMs = performance.now();
      batchUs.push((nowMs - startMs) * 1_000);
      startMs = nowMs;
    }
  });
  for (const us of batchUs) sample.batchUs.push(us);
  sample.redisUs += (effort.redis_us_per_decision ?? 0) * decisions();
  sample.clientUs += (effort.client_cpu_pct / 100) * sum(batchUs);
}

/** The clock of this process, so that a script has no other to read. */
function asksOf(count: number, nowMs: number, prng: Prng): Ask[] {
  const nowUs = micros(START_US + Math.floor(nowMs * 1_000));
  return Array.from({ length: count }, () => ({ key: `key-${prng.below(KEYS)}`, cost: 1, nowUs }));
}

function forget(sample: Sample): void {
  sample.batchUs.length = 0;
  sample.clientUs = 0;
  sample.redisUs = 0;
}

function findings(samples: readonly Sample[]): Finding[] {
  // Medians, so that a batch that had to wait for somebody else's process is not taken for a part of the way.
  const usualUs = (way: string, batch: number): number => {
    const { batchUs } = samples.find((sample) => sample.way === way && sample.batch === batch)!;
    return quantile(batchUs, 0.5) / batch;
  };
  return samples.map(({ way, batch, batchUs, clientUs, redisUs }) => {
    const decisions = batchUs.length * batch;
    const isPipelined = way === PIPELINED;
    return {
      way,
      batch,
      decisions_per_s: (US_PER_S * decisions) / sum(batchUs),
      p50_us: quantile(batchUs, 0.5),
      p99_us: quantile(batchUs, 0.99),
      p999_us: quantile(batchUs, 0.999),
      usual_us_per_decision: usualUs(way, batch),
      redis_us_per_decision: redisUs / decisions,
      client_us_per_decision: clientUs / decisions,
      way_us: isPipelined ? usualUs(PING, batch) : null,
      call_us: isPipelined ? usualUs(EMPTY, batch) - usualUs(PING, batch) : null,
      decide_us: isPipelined ? usualUs(PIPELINED, batch) - usualUs(EMPTY, batch) : null,
    };
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((left, right) => left + right, 0);
}
