/**
 * Stretch: the native redis-cell module against our GCRA script, in one Redis that has both.
 *
 *      agreement   random costs and waits, on many keys   TIME, EVALSHA, CL.THROTTLE, TIME │ … in one pipeline
 *      speed       one at a time by a client; as fast as the server can, encoded beforehand
 *
 * Both by the server's clock, since CL.THROTTLE has no other. Its replies tell waits in whole seconds, so that outcome
 * and remaining are compared (cell-agreement.ts). The module is built for the full size only, where Rust is; a result
 * without it says why.
 */
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ParlError } from "../../core/errors.ts";
import { Prng } from "../../core/prng.ts";
import { micros, US_PER_MS, US_PER_S } from "../../core/units.ts";
import { obtainRedisCell, REDIS_CELL_VERSION } from "../../deploy/setup/redis-cell.mjs";
import { RedisNodes } from "../redis-nodes.ts";
import { median, quantile } from "../report.ts";
import { agreementOf, type Agreement } from "./cell-agreement.ts";
import { CellPairs, throttle, type CellParams } from "./cell-pairs.ts";
import { withEffort, type Effort } from "./effort.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";
import { encodedCommands, encodedDecisions, RedisFlood, type EncodedCalls } from "./redis-flood.ts";

/** Keys live for whole milliseconds: so much sooner or later one of them is forgotten. */
const LIFETIME_STEP_US = US_PER_MS;
/** Asked together, then a wait. */
const PAIRS = 100;
const TURNS = 300;

interface Policy {
  readonly policy: string;
  readonly params: CellParams;
  readonly waitMaxMs: number;
}

function gcra(limit: number, seconds: number, burst: number): CellParams {
  return { algorithm: "gcra", limit, windowUs: micros(seconds * US_PER_S), burst };
}

const POLICIES: readonly Policy[] = [
  { policy: "10 per 10 h, burst 10", params: gcra(10, 36_000, 10), waitMaxMs: 1 },
  { policy: "50 per 1 s, burst 5", params: gcra(50, 1, 5), waitMaxMs: 40 },
  { policy: "3 per 1 s, burst 7", params: gcra(3, 1, 7), waitMaxMs: 100 },
];

const SPEED_PARAMS = gcra(600, 60, 600);
const KEYS = 10_000;
const BATCH = 500;
const BATCHES = 20;
const ROUNDS = 5;
const ROUND_MS = 400;
/** An array of five numbers. */
const CELL_ANSWER_LINES = 6;

export const redisCell: Experiment = {
  name: "redis-cell",
  title: `The native module redis-cell ${REDIS_CELL_VERSION} against our GCRA script, in the same Redis`,
  hypothesis:
    "Both are GCRA: the same history gets the same answers, but for questions between whose two decisions a unit " +
    "becomes free. One at a time nobody feels a difference, since the round trip is nearly all there is. As fast as " +
    "the server can, native code spends less of its time than Lua and gets up to twice as many decisions: what that is " +
    "worth is a module to build, ship and trust in every Redis.",
  isExact: false,
  needsRedis: true,
  async run(scale: Scale) {
    const { path, reason } = scale.isQuick ? { reason: "not in a quick run" } : await obtained();
    if (path === undefined) return skipped(reason, scale);
    const nodes = await RedisNodes.start(1, path).catch((error: unknown) => {
      if (error instanceof ParlError) return error;
      throw error;
    });
    if (nodes instanceof ParlError) return skipped(nodes.message, scale);
    await using started = nodes;
    return await measured(started, scale);
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: redisCell.title,
    data: { values: rows.filter(({ limiter }) => limiter !== null) },
    width: 420,
    mark: { type: "bar" },
    encoding: {
      y: { field: "way", type: "nominal", sort: null, title: null },
      yOffset: { field: "limiter", sort: null },
      x: { field: "decisions_per_s", type: "quantitative", title: "decisions a second" },
      color: { field: "limiter", type: "nominal", sort: null, title: null },
    },
  }),
};

const NOTHING: Finding = {
  state: null,
  policy: null,
  limiter: null,
  way: null,
  decisions: null,
  denied: null,
  unlike: null,
  within_a_moment: null,
  decisions_per_s: null,
  p50_us: null,
  p99_us: null,
  redis_us_per_decision: null,
};

function obtained(): ReturnType<typeof obtainRedisCell> {
  return obtainRedisCell({
    root: fileURLToPath(new URL("../..", import.meta.url)),
    env: process.env,
    say: (line) => void process.stderr.write(`${line}\n`),
    signal: new AbortController().signal,
  });
}

/** Loudly. */
function skipped(reason: string, { progress }: Scale): Finding[] {
  progress(1);
  process.stderr.write(`redis-cell is not measured: ${reason}\n`);
  return [{ ...NOTHING, state: `not built: ${reason}` }];
}

async function measured(nodes: RedisNodes, { seed, progress }: Scale): Promise<Finding[]> {
  const prng = new Prng(seed);
  const rows: Finding[] = [];
  for (const [done, policy] of POLICIES.entries()) {
    rows.push({ ...NOTHING, state: "measured", ...(await agreement(nodes, policy, prng)) });
    progress((done + 1) / (POLICIES.length + 2));
  }
  const speeds = await speedsOf(nodes, prng);
  rows.push(...speeds.map((found) => ({ ...NOTHING, state: "measured", ...found })));
  progress(1);
  return rows;
}

/** Keys whose answers differed are given up: from then on they have different histories. */
async function agreement(
  nodes: RedisNodes,
  { policy, params, waitMaxMs }: Policy,
  prng: Prng,
): Promise<Finding> {
  await nodes.clear();
  await nodes.limiters(params, 1)[0]!.load();
  const [redis] = nodes.connections;
  const pairs = new CellPairs(redis!, params);
  const counts: Record<Agreement, number> = { same: 0, "a moment": 0, unlike: 0 };
  let denied = 0;
  const keys = Array.from({ length: PAIRS }, (_, index) => ({ name: `key-${index}`, apartUs: 0 }));
  for (let turn = 0; turn < TURNS; turn += 1) {
    // Up to one more than there can ever be.
    const asks = keys.map(({ name }) => ({ name, cost: prng.below(params.burst + 2) }));
    for (const [place, { verdict, cell, apartUs }] of (await pairs.ask(asks)).entries()) {
      const key = keys[place]!;
      // What was charged apart at some time wears off as far apart.
      key.apartUs = Math.max(key.apartUs, apartUs);
      const found = agreementOf(params, verdict, cell, key.apartUs + LIFETIME_STEP_US);
      counts[found] += 1;
      denied += Number(verdict.outcome !== "allowed");
      if (found !== "same") keys[place] = { name: `${key.name}'`, apartUs: 0 };
    }
    await setTimeout(prng.below(waitMaxMs + 1));
  }
  const decisions = TURNS * PAIRS;
  return { policy, decisions, denied, unlike: counts.unlike, within_a_moment: counts["a moment"] };
}

interface Contestant {
  readonly limiter: string;
  /** Of INFO commandstats. */
  readonly command: string;
  readonly ask: (key: string) => Promise<unknown>;
  readonly encoded: (keys: readonly string[]) => EncodedCalls;
}

function contestants(nodes: RedisNodes): Contestant[] {
  const [redis] = nodes.connections;
  const [limiter] = nodes.limiters(SPEED_PARAMS, 1);
  return [
    {
      limiter: "our script",
      command: "evalsha",
      ask: (key) => limiter!.check(key, 1),
      encoded: (keys) => {
        const asks = keys.map((key) => ({ key, cost: 1 }));
        return encodedDecisions(SPEED_PARAMS, asks, { ttlMinMs: 1 });
      },
    },
    {
      limiter: "redis-cell",
      command: "cl.throttle",
      ask: (key) => {
        const [command, ...words] = throttle(SPEED_PARAMS, key, 1);
        return redis!.call(command, ...words);
      },
      encoded: (keys) => ({
        bytes: encodedCommands(keys.map((key) => throttle(SPEED_PARAMS, key, 1))),
        answerLines: CELL_ANSWER_LINES * keys.length,
      }),
    },
  ];
}

interface Round {
  readonly decisions: number;
  readonly perS: number;
  readonly effort: Effort;
}

async function speedsOf(nodes: RedisNodes, prng: Prng): Promise<Finding[]> {
  const cases = contestants(nodes).map((contestant) => ({
    contestant,
    batches: Array.from({ length: BATCHES }, () =>
      contestant.encoded(Array.from({ length: BATCH }, () => `key-${prng.below(KEYS)}`)),
    ),
    callsUs: [] as number[],
    alone: [] as Round[],
    flooded: [] as Round[],
  }));
  // Round 0 warms up and is not counted.
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const { contestant, batches, callsUs, alone, flooded } of cases) {
      await nodes.clear();
      await nodes.limiters(SPEED_PARAMS, 1)[0]!.load();
      const ms = round === 0 ? ROUND_MS / 4 : ROUND_MS;
      const calls: number[] = [];
      const one = await timed(nodes, contestant, (untilMs) => askAlone(contestant, prng, calls, untilMs));
      const many = await timed(nodes, contestant, (untilMs) => flood(nodes, batches, untilMs), ms);
      if (round === 0) continue;
      for (const us of calls) callsUs.push(us);
      alone.push(one);
      flooded.push(many);
    }
  }
  return cases.flatMap(({ contestant: { limiter }, callsUs, alone, flooded }) => [
    {
      limiter,
      way: "one at a time",
      ...speed(alone),
      p50_us: quantile(callsUs, 0.5),
      p99_us: quantile(callsUs, 0.99),
    },
    { limiter, way: "as fast as the server can", ...speed(flooded) },
  ]);
}

function speed(rounds: readonly Round[]): Finding {
  return {
    decisions: rounds.reduce((sum, { decisions }) => sum + decisions, 0),
    decisions_per_s: median(rounds.map(({ perS }) => perS)),
    redis_us_per_decision: median(rounds.map(({ effort }) => effort.redis_us_per_decision ?? 0)),
  };
}

/** @param work makes decisions until then, and counts them */
async function timed(
  nodes: RedisNodes,
  { command }: Contestant,
  work: (untilMs: number) => Promise<number>,
  ms = ROUND_MS,
): Promise<Round> {
  let decisions = 0;
  const { value: elapsedMs, effort } = await withEffort(
    nodes,
    { command, decisions: () => decisions },
    async () => {
      const startMs = performance.now();
      decisions = await work(startMs + ms);
      return performance.now() - startMs;
    },
  );
  return { decisions, perS: (1_000 * decisions) / elapsedMs, effort };
}

async function askAlone(
  { ask }: Contestant,
  prng: Prng,
  callsUs: number[],
  untilMs: number,
): Promise<number> {
  for (let startMs = performance.now(); startMs < untilMs;) {
    await ask(`key-${prng.below(KEYS)}`);
    const nowMs = performance.now();
    callsUs.push((nowMs - startMs) * US_PER_MS);
    startMs = nowMs;
  }
  return callsUs.length;
}

async function flood(nodes: RedisNodes, batches: readonly EncodedCalls[], untilMs: number): Promise<number> {
  using connection = await RedisFlood.open(nodes.connections[0]!.options);
  let sent = 1;
  let underWay = connection.send(batches[0]!);
  for (; performance.now() < untilMs; sent += 1) {
    const next = connection.send(batches[sent % batches.length]!);
    await underWay;
    underWay = next;
  }
  await underWay;
  return sent * BATCH;
}
