/**
 * What servers can do together with one traffic, whatever a client library costs: calls are encoded beforehand
 * (redis-flood.ts), each server gets its part of a chunk, and the chunk is over when all have answered. So a server
 * that has more to do is waited for, as it would be.
 *
 *      chunk ──┬──▶ server 1 ▓▓▓▓▓▓▓▓ ──┬──▶ next chunk but one
 *              └──▶ server 2 ▓▓▓ . . .──┘
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import type { NamedEvents } from "../backend.ts";
import { KEPT_MS } from "../held-keys.ts";
import type { RedisNodes } from "../redis-nodes.ts";
import { withEffort, type Effort } from "./effort.ts";
import { encodedDecisions, RedisFlood, type EncodedCalls } from "./redis-flood.ts";

const CHUNK = 2_000;
/** So that a server has something to do while an answer is on its way. */
const CHUNKS_AT_ONCE = 2;

export interface Speed {
  readonly decisionsPerS: number;
  readonly effort: Effort;
}

/** By chunk, then by server. By the servers' clock, which goes on however often a trace is asked. */
export function encodedChunks(
  params: AlgorithmParams,
  { events, names }: NamedEvents,
  nodes: RedisNodes,
): EncodedCalls[][] {
  const chunks: EncodedCalls[][] = [];
  for (let from = 0; from < events.count; from += CHUNK) {
    const asks = nodes.connections.map((): { key: string; cost: number }[] => []);
    for (const key of events.key.subarray(from, Math.min(events.count, from + CHUNK))) {
      asks[nodes.nodeOf(names[key]!)]!.push({ key: names[key]!, cost: 1 });
    }
    chunks.push(asks.map((each) => encodedDecisions(params, each, { ttlMinMs: KEPT_MS })));
  }
  return chunks;
}

export async function floodServers(
  nodes: RedisNodes,
  {
    params,
    chunks,
    decisions,
  }: {
    readonly params: AlgorithmParams;
    readonly chunks: readonly (readonly EncodedCalls[])[];
    readonly decisions: number;
  },
): Promise<Speed> {
  await nodes.clear();
  await Promise.all(nodes.limiters(params, KEPT_MS).map(async (limiter) => limiter.load()));
  using opened = new DisposableStack();
  const floods: RedisFlood[] = [];
  for (const redis of nodes.connections) floods.push(opened.use(await RedisFlood.open(redis.options)));
  const { value: elapsedMs, effort } = await withEffort(nodes, { decisions: () => decisions }, async () => {
    const startMs = performance.now();
    const underWay: Promise<unknown>[] = [];
    for (const chunk of chunks) {
      if (underWay.length === CHUNKS_AT_ONCE) await underWay.shift();
      underWay.push(Promise.all(chunk.map(async (calls, node) => floods[node]!.send(calls))));
    }
    await Promise.all(underWay);
    return performance.now() - startMs;
  });
  return { decisionsPerS: (1_000 * decisions) / elapsedMs, effort };
}
