/** The process of a hot key's flood (hot-flood.ts): says when it works, and when told to stop how much it did. */
import { once } from "node:events";
import { KEPT_MS } from "../held-keys.ts";
import type { HotFloodOptions } from "./hot-flood.ts";
import { encodedDecisions, RedisFlood } from "./redis-flood.ts";

const { address, params, connections, batch, isOneCall } = JSON.parse(
  process.argv[2] ?? "",
) as HotFloodOptions;
const asks = Array.from({ length: batch }, () => ({ key: "hot", cost: 1 }));
const calls = encodedDecisions(params, asks, { ttlMinMs: KEPT_MS, isOneCall });
const stopped = new AbortController();

process.once("disconnect", () => process.exit());
const floods = await Promise.all(Array.from({ length: connections }, () => RedisFlood.open(address)));
await Promise.all(floods.map((flood) => flood.send(calls)));
process.send?.(0);
const batches = floods.map((flood) => batchesUntil(stopped.signal, flood));
await once(process, "message");
stopped.abort();
const decisions = batch * (await Promise.all(batches)).reduce((left, right) => left + right, 0);
for (const flood of floods) flood[Symbol.dispose]();
process.send?.(decisions);

async function batchesUntil(signal: AbortSignal, flood: RedisFlood): Promise<number> {
  let answered = 0;
  let underWay = flood.send(calls);
  while (!signal.aborted) {
    const next = flood.send(calls);
    await underWay;
    answered += 1;
    underWay = next;
  }
  await underWay;
  return answered + 1;
}
