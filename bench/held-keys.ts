/**
 * Keys that a backend holds beside those of a trace, so that it is as full as it would be: each is charged, and then
 * nobody asks for it again. Redis gets many in a call and keeps them for an hour at least.
 */
import type { AlgorithmParams } from "../algorithms/algorithm.ts";
import { micros } from "../core/units.ts";
import type { RedisLimiter } from "../lua/redis-limiter.ts";
import type { RedisNodes } from "./redis-nodes.ts";

/** How long Redis keeps a key at least that must not go while it is measured. */
export const KEPT_MS = 3_600_000;
const PER_CALL = 1_000;
const AT_ONCE = 4_000;

export function heldName(index: number): string {
  return `held-${index}`;
}

export interface Hold {
  readonly count: number;
  /** Charged to each key, so often, a microsecond apart by the caller's clock. */
  readonly cost: number;
  readonly hits?: number;
  /** The caller's clock; undefined: the servers'. */
  readonly nowUs: number | undefined;
  readonly onProgress: (share: number) => void;
}

export async function holdInRedis(nodes: RedisNodes, params: AlgorithmParams, hold: Hold): Promise<void> {
  const { count, cost, hits = 1, nowUs, onProgress } = hold;
  const limiters = nodes.limiters(params, KEPT_MS);
  for (let from = 0; from < count; from += AT_ONCE) {
    const names = limiters.map((): string[] => []);
    for (let index = from; index < Math.min(count, from + AT_ONCE); index += 1) {
      names[nodes.nodeOf(heldName(index))]!.push(heldName(index));
    }
    for (let hit = 0; hit < hits; hit += 1) {
      const atUs = nowUs === undefined ? undefined : nowUs + hit;
      await Promise.all(limiters.map(async (limiter, node) => charge(limiter, names[node]!, cost, atUs)));
    }
    onProgress(Math.min(1, (from + AT_ONCE) / count));
  }
}

async function charge(
  limiter: RedisLimiter,
  names: readonly string[],
  cost: number,
  atUs: number | undefined,
): Promise<void> {
  const nowUs = atUs === undefined ? undefined : micros(atUs);
  const calls: Promise<unknown>[] = [];
  for (let from = 0; from < names.length; from += PER_CALL) {
    calls.push(limiter.checkBatch(names.slice(from, from + PER_CALL).map((key) => ({ key, cost, nowUs }))));
  }
  await Promise.all(calls);
}
