import { describe, expect, it } from "vitest";
import { redisFacts, redisTroubles, type RedisFacts } from "../../lua/redis-facts.ts";

const INFO = [
  "# Server",
  "redis_version:7.0.15",
  "",
  "# Persistence",
  "loading:0",
  "aof_enabled:1",
  "rdb_last_bgsave_status:ok",
  "aof_last_write_status:ok",
  "# Memory",
  "used_memory:900",
  "maxmemory:1000",
  "maxmemory_policy:noeviction",
  "# Stats",
  "evicted_keys:3",
  "# Replication",
  "role:master",
  "# Cluster",
  "cluster_enabled:0",
  "",
].join("\r\n");

const WELL: RedisFacts = {
  version: "7.0.15",
  isReplica: false,
  isLoading: false,
  isClusterNode: false,
  usedBytes: 900,
  maxBytes: 1_000,
  maxmemoryPolicy: "noeviction",
  evictedKeys: 3,
  isAppendOnly: true,
  isSaveFailing: false,
};

it("reads what Redis says of itself", () => {
  expect(redisFacts(INFO)).toEqual(WELL);
  expect(redisTroubles(WELL)).toEqual([]);
});

describe("a Redis is in trouble", () => {
  const stopped: readonly [Partial<RedisFacts>, RegExp][] = [
    [{ version: "6.2.14" }, /version 6.2.14; 7 or newer/],
    [{ version: "unknown" }, /version unknown/],
    [{ isReplica: true }, /is a replica/],
    [{ isLoading: true }, /is loading/],
    [{ isClusterNode: true }, /node of a Redis Cluster/],
  ];
  it.each(stopped)("that keeps checks from being decided: %o", (change, message) => {
    expect(redisTroubles({ ...WELL, ...change })).toEqual([
      { isStopped: true, message: expect.stringMatching(message) as string },
    ]);
  });

  const hampered: readonly [Partial<RedisFacts>, RegExp][] = [
    [{ usedBytes: 1_000 }, /memory is full \(maxmemory 1000 bytes\)/],
    [{ isSaveFailing: true }, /cannot save/],
    ...[
      "allkeys-lru",
      "allkeys-lfu",
      "allkeys-random",
      "volatile-lru",
      "volatile-ttl",
      "volatile-random",
    ].map((maxmemoryPolicy): [Partial<RedisFacts>, RegExp] => [
      { maxmemoryPolicy },
      new RegExp(`evicts keys \\(maxmemory-policy ${maxmemoryPolicy}; 3 since`),
    ]),
  ];
  it.each(hampered)("that lets them be decided: %o", (change, message) => {
    expect(redisTroubles({ ...WELL, ...change })).toEqual([
      { isStopped: false, message: expect.stringMatching(message) as string },
    ]);
  });

  it("not for what it would do at a maxmemory it has not got, nor for being full and evicting", () => {
    expect(redisTroubles({ ...WELL, maxBytes: 0, maxmemoryPolicy: "allkeys-lru" })).toEqual([]);
    expect(redisTroubles({ ...WELL, maxBytes: 0, usedBytes: 2_000 })).toEqual([]);
    const evicting = redisTroubles({ ...WELL, usedBytes: 1_000, maxmemoryPolicy: "allkeys-lru" });
    expect(evicting).toHaveLength(1);
  });

  it("of several kinds at once, the worst first", () => {
    const all = redisTroubles({
      ...WELL,
      maxmemoryPolicy: "volatile-lru",
      isSaveFailing: true,
      isReplica: true,
    });
    expect(all.map(({ isStopped }) => isStopped)).toEqual([true, false, false]);
  });
});

it("takes a failed write of the append-only file for one that fails to save", () => {
  expect(redisFacts(INFO.replace("write_status:ok", "write_status:err")).isSaveFailing).toBe(true);
  expect(redisFacts(INFO.replace("bgsave_status:ok", "bgsave_status:err")).isSaveFailing).toBe(true);
});
