/** Keys that all live on one shard, for whoever wants to aim at it. */
import { homeShard, SHARDS_DEFAULT } from "../core/key.ts";

/** The first `count` of `<tenant>`'s keys key-0, key-1, … that `shard` is the home of, as tokens. */
export function keysOfShard(tenant: string, shard: number, count: number): string[] {
  const keys: string[] = [];
  for (let number = 0; keys.length < count; number += 1) {
    const key = `key-${number}`;
    if (homeShard(tenant, key, SHARDS_DEFAULT) === shard) keys.push(key);
  }
  return keys;
}
