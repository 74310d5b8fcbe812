/**
 * Experiment 2, second part: a key that is asked ever more often within its window. The log remembers each unit it
 * admits; what GCRA keeps stands beside it. Here several such keys share a table, so that the chunks its rings are
 * cut from do not count as one key's; Redis is asked about one.
 */
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { Verdict } from "../../core/decision.ts";
import { Prng } from "../../core/prng.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { KEPT_MS } from "../held-keys.ts";
import { RedisNodes } from "../redis-nodes.ts";
import { START_US } from "../trace.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";

const ALGORITHMS = ["sliding-log", "gcra"] as const;
const WINDOW_US = micros(3_600 * US_PER_S);
/** Units admitted, and how many keys that are as hot share a table: so many units together, so many keys at most. */
const FULL = { sizes: [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000], together: 1_000_000 };
const QUICK = { sizes: FULL.sizes.slice(0, 4), together: 100_000 };
const KEYS_MAX = 1_000;
const PER_CALL = 1_000;

export const hotLog: Experiment = {
  name: "hot-log",
  title: "One hot key: what it takes to remember each of its units",
  hypothesis:
    "A log grows by 12 to 48 bytes for an admission here and about 14 in Redis, without another bound than the limit: " +
    "at a million an hour, one key is tens of megabytes. GCRA folds any history into one moment: the same bytes for one unit and " +
    "for a million.",
  isExact: false,
  needsRedis: true,
  async run({ isQuick, seed, progress }: Scale) {
    const { sizes, together } = isQuick ? QUICK : FULL;
    await using nodes = await RedisNodes.start();
    const rows: Finding[] = [];
    for (const algorithm of ALGORITHMS) {
      for (const admitted of sizes) {
        const params = { algorithm, limit: sizes.at(-1)!, windowUs: WINDOW_US };
        rows.push(row(algorithm, "local", admitted, here(params, { admitted, together, seed })));
        rows.push(row(algorithm, "redis", admitted, await inRedis(nodes, params, admitted)));
        progress(rows.length / (2 * ALGORITHMS.length * sizes.length));
      }
    }
    return rows;
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: hotLog.title,
    width: 420,
    data: { values: rows as object[] },
    mark: { type: "line", point: true },
    encoding: {
      x: {
        field: "admitted",
        type: "quantitative",
        scale: { type: "log" },
        title: "units admitted in one window",
      },
      y: { field: "bytes", type: "quantitative", scale: { type: "log" }, title: "bytes of the key" },
      color: { field: "algorithm", type: "nominal", sort: null, title: null },
      strokeDash: { field: "backend", type: "nominal", sort: null, title: null },
    },
  }),
};

type Params = { readonly algorithm: (typeof ALGORITHMS)[number]; limit: number; windowUs: typeof WINDOW_US };

function row(algorithm: string, backend: string, admitted: number, bytes: number): Finding {
  return { algorithm, backend, admitted, bytes, bytes_per_admission: bytes / admitted };
}

/** What the table says of itself, divided by its keys. */
function here(
  params: Params,
  {
    admitted,
    together,
    seed,
  }: { readonly admitted: number; readonly together: number; readonly seed: number },
): number {
  const prng = new Prng(seed);
  const keys = Math.max(1, Math.min(KEYS_MAX, Math.floor(together / admitted)));
  const hashes = Array.from({ length: keys }, () => [prng.u32(), prng.u32()] as const);
  const limiter = new KeyedLimiter(createAlgorithm(params));
  const verdict = new Verdict();
  for (let unit = 0; unit < admitted; unit += 1) {
    for (const [high, low] of hashes) limiter.decide(high, low, 1, micros(START_US + unit), verdict);
  }
  return limiter.bytes() / keys;
}

/** What Redis says of the key: name, entry and value. */
async function inRedis(nodes: RedisNodes, params: Params, admitted: number): Promise<number> {
  await nodes.clear();
  const [limiter] = nodes.limiters(params, KEPT_MS);
  for (let from = 0; from < admitted; from += PER_CALL) {
    const asks = Array.from({ length: Math.min(PER_CALL, admitted - from) }, (_, unit) => ({
      key: "hot",
      cost: 1,
      nowUs: micros(START_US + from + unit),
    }));
    await limiter!.checkBatch(asks);
  }
  const redis = nodes.connections[0]!;
  return (await redis.memory("USAGE", (await redis.randomkey())!, "SAMPLES", 0)) ?? 0;
}
