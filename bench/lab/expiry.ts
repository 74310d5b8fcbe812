/**
 * Experiment 2, third part: what lifetimes do for a Redis. Keys are charged once by the server's own clock, as fast as
 * it goes, and then nobody asks; `used_memory` is looked at until they are gone, or would have been.
 *
 *      bytes  ▂▄▆██████▇▅▃▁      with the lifetime of its debt      ▂▄▆█████████████   without
 */
import { setTimeout } from "node:timers/promises";
import { micros, US_PER_MS } from "../../core/units.ts";
import { KEPT_MS } from "../held-keys.ts";
import { RedisNodes } from "../redis-nodes.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";

/** One unit is owed for a whole window. */
const LIMIT = 1;
const FULL = { keys: 1_000_000, lifetimeMs: 10_000, everyMs: 500, patienceMs: 60_000 };
const QUICK = { keys: 10_000, lifetimeMs: 300, everyMs: 50, patienceMs: 3_000 };
const PER_CALL = 1_000;
const CALLS_AT_ONCE = 4;

export const expiry: Experiment = {
  name: "expiry",
  title: "Keys that nobody asks for again: a Redis with lifetimes and without",
  hypothesis:
    "Each key is given the lifetime of its debt, so memory follows the keys that owe something: all of it comes back " +
    "within seconds after the debts are over, as fast as Redis looks for expired keys (some are found late). Without " +
    "lifetimes a Redis keeps every key it has ever seen.",
  isExact: false,
  needsRedis: true,
  async run({ isQuick, progress }: Scale) {
    const size = isQuick ? QUICK : FULL;
    const rows: Finding[] = [];
    for (const hasLifetime of [true, false]) {
      const from = hasLifetime ? 0 : 0.5;
      rows.push(...(await watched(hasLifetime, size, (share) => progress(from + share / 2))));
    }
    return rows;
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: expiry.title,
    width: 420,
    data: { values: rows as object[] },
    transform: [{ calculate: "datum.used_bytes / 1048576", as: "mib" }],
    mark: { type: "line", point: true },
    encoding: {
      x: { field: "at_s", type: "quantitative", title: "seconds since the first key" },
      y: { field: "mib", type: "quantitative", title: "used_memory, MiB more than empty" },
      color: { field: "lifetime", type: "nominal", sort: null, title: null },
    },
  }),
};

type Size = typeof FULL;

async function watched(
  hasLifetime: boolean,
  size: Size,
  progress: (share: number) => void,
): Promise<Finding[]> {
  const { keys, lifetimeMs, everyMs, patienceMs } = size;
  await using nodes = await RedisNodes.start();
  const params = { algorithm: "gcra", limit: LIMIT, windowUs: micros(lifetimeMs * US_PER_MS) } as const;
  const [limiter] = nodes.limiters(params, hasLifetime ? 1 : KEPT_MS);
  await limiter!.load();
  const emptyBytes = (await nodes.memory()).keptBytes;
  const rows: Finding[] = [];
  const startMs = performance.now();
  const look = async (): Promise<number> => {
    const [live, { keptBytes }] = await Promise.all([nodes.keys(), nodes.memory()]);
    rows.push({
      lifetime: hasLifetime ? "lifetime of its debt" : "none to speak of",
      at_s: (performance.now() - startMs) / 1_000,
      keys: live,
      used_bytes: Math.max(0, keptBytes - emptyBytes),
    });
    return live;
  };
  let lookedMs = startMs;
  for (let from = 0; from < keys; from += PER_CALL * CALLS_AT_ONCE) {
    await Promise.all(
      Array.from({ length: CALLS_AT_ONCE }, (_, call) => from + call * PER_CALL)
        .filter((first) => first < keys)
        .map(async (first) =>
          limiter!.checkBatch(
            Array.from({ length: PER_CALL }, (_, index) => ({ key: `key-${first + index}`, cost: 1 })),
          ),
        ),
    );
    if (performance.now() - lookedMs < everyMs) continue;
    lookedMs = performance.now();
    await look();
    progress(from / keys / 2);
  }
  const filledMs = performance.now();
  const until = filledMs + (hasLifetime ? patienceMs : lifetimeMs * 1.5);
  while ((await look()) > 0 && performance.now() < until) {
    progress(Math.min(1, 0.5 + (performance.now() - filledMs) / (until - filledMs) / 2));
    await setTimeout(everyMs);
  }
  progress(1);
  return rows;
}
