/**
 * What a Redis says about itself (INFO), as far as limits depend on it, and what is wrong with that.
 *
 * Evicting is the worst of it, because nothing fails: a key that is evicted is a key never seen, with its whole limit.
 * All keys of limiters have a lifetime, so that the volatile policies evict them too.
 */
import { REDIS_VERSION_MIN } from "./redis-connection.ts";

export interface RedisFacts {
  readonly version: string;
  readonly isReplica: boolean;
  readonly isLoading: boolean;
  readonly isClusterNode: boolean;
  readonly usedBytes: number;
  /** 0: no limit of its own. */
  readonly maxBytes: number;
  /** What it does at `maxBytes`: noeviction, allkeys-lru, … */
  readonly maxmemoryPolicy: string;
  /** Since it was started. */
  readonly evictedKeys: number;
  readonly isAppendOnly: boolean;
  readonly isSaveFailing: boolean;
}

export interface RedisTrouble {
  /** Whether checks cannot be decided; else they are, but not as they should be. */
  readonly isStopped: boolean;
  readonly message: string;
}

/** @param info the reply to INFO, all sections or the default ones */
export function redisFacts(info: string): RedisFacts {
  const fields = new Map(
    info.split("\r\n").flatMap((line) => {
      const colon = line.indexOf(":");
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const];
    }),
  );
  const text = (name: string): string => fields.get(name) ?? "";
  const number = (name: string): number => Number(fields.get(name) ?? 0);
  return {
    version: fields.get("redis_version") ?? "unknown",
    isReplica: text("role") === "slave",
    isLoading: text("loading") === "1",
    isClusterNode: text("cluster_enabled") === "1",
    usedBytes: number("used_memory"),
    maxBytes: number("maxmemory"),
    maxmemoryPolicy: fields.get("maxmemory_policy") ?? "unknown",
    evictedKeys: number("evicted_keys"),
    isAppendOnly: text("aof_enabled") === "1",
    isSaveFailing: text("rdb_last_bgsave_status") === "err" || text("aof_last_write_status") === "err",
  };
}

/** The worst first; none when all is well. */
export function redisTroubles(facts: RedisFacts): RedisTrouble[] {
  const { version, maxmemoryPolicy, maxBytes, usedBytes, evictedKeys } = facts;
  const isEvicting = maxmemoryPolicy !== "noeviction" && maxBytes > 0;
  const isFull = maxmemoryPolicy === "noeviction" && maxBytes > 0 && usedBytes >= maxBytes;
  const all: readonly (readonly [isSo: boolean, isStopped: boolean, message: string])[] = [
    [
      !(Number.parseInt(version, 10) >= REDIS_VERSION_MIN),
      true,
      `it is version ${version}; ${REDIS_VERSION_MIN} or newer is needed`,
    ],
    [
      facts.isClusterNode,
      true,
      "it is a node of a Redis Cluster, where keys of one check live on several nodes; give it a Redis of its own",
    ],
    [facts.isLoading, true, "it is loading its data"],
    [facts.isReplica, true, "it is a replica and takes no charges; connect to the primary"],
    [
      isFull,
      false,
      `its memory is full (maxmemory ${maxBytes} bytes) and it takes no charges; raise maxmemory, or limit fewer keys`,
    ],
    [
      facts.isSaveFailing,
      false,
      "it cannot save its data and may refuse charges; see its log, or stop-writes-on-bgsave-error",
    ],
    [
      isEvicting,
      false,
      `it evicts keys (maxmemory-policy ${maxmemoryPolicy}; ${evictedKeys} since it was started), and an evicted key has its ` +
        "whole limit again; set maxmemory-policy noeviction",
    ],
  ];
  return all.flatMap(([isSo, isStopped, message]) => (isSo ? [{ isStopped, message }] : []));
}
