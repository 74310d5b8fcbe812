/** How long shards went without a verdict, and when those of a lost owner answered again. */
import { hasVerdict, type Call } from "./ledger.ts";

const US_PER_MS = 1_000;

export interface Gap {
  readonly ms: number;
  readonly shard: number;
  /** From the beginning of the calls. */
  readonly fromMs: number;
}

/** The longest time between two verdicts of one shard, from its first call on. */
export function longestGap(calls: readonly Call[], shards: Iterable<number>): Gap {
  const startUs = calls.reduce((least, { invokedUs }) => Math.min(least, invokedUs), Infinity);
  const wanted = new Set(shards);
  const last = new Map<number, number>();
  let longest: Gap = { ms: 0, shard: -1, fromMs: 0 };
  const until = (shard: number, atUs: number): void => {
    const sinceUs = last.get(shard) ?? startUs;
    const ms = Math.round((atUs - sinceUs) / US_PER_MS);
    if (ms > longest.ms) longest = { ms, shard, fromMs: Math.round((sinceUs - startUs) / US_PER_MS) };
    last.set(shard, atUs);
  };
  const verdicts = calls.filter((call) => wanted.has(call.shard) && hasVerdict(call));
  for (const { shard, returnedUs } of verdicts.toSorted((a, b) => a.returnedUs - b.returnedUs)) {
    until(shard, returnedUs);
  }
  const endUs = calls.reduce((most, { returnedUs }) => Math.max(most, returnedUs), 0);
  if (calls.length > 0) for (const shard of wanted) until(shard, endUs);
  return longest;
}

/** From a fault until every one of `shards` has answered a call that was made after it; Infinity when one never did. */
export function answeredAgainMs(calls: readonly Call[], shards: Iterable<number>, faultUs: number): number {
  const first = new Map<number, number>();
  for (const call of calls) {
    if (call.invokedUs < faultUs || !hasVerdict(call)) continue;
    first.set(call.shard, Math.min(call.returnedUs, first.get(call.shard) ?? Infinity));
  }
  let latestUs = faultUs;
  for (const shard of shards) latestUs = Math.max(latestUs, first.get(shard) ?? Infinity);
  return Math.round((latestUs - faultUs) / US_PER_MS);
}
