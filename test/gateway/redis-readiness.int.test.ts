/** What becomes of the gateway when its Redis goes, hangs, refuses, forgets or moves: each fault ends as the policy says. */
import { randomBytes } from "node:crypto";
import { mkdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { connectRedis } from "../../lua/redis-connection.ts";
import { movingAddress } from "../harness/moving-address.ts";
import { startRedisServer } from "../harness/redis-server.ts";
import { DEADLINE_MS, POLICIES } from "./opened-gateway.ts";
import { openRedisGateway, PATIENTLY, RedisStand, SYNC_AT_ONCE } from "./redis-stand.ts";

let stand: RedisStand;

beforeEach(async () => {
  stand = await RedisStand.open();
});

afterEach(() => stand.close());

async function isReplica(redis: Redis): Promise<boolean> {
  return (await redis.info("replication")).includes("master_link_status:up");
}

describe("without its Redis", () => {
  it("decides by onFailure, marks and counts it, and recovers by itself", async () => {
    await stand.expectDecided();
    await stand.server.kill();
    // The operating system tells at once.
    await stand.becomes("unready");
    expect((await stand.ready()).redis.message).toContain(`127.0.0.1:${stand.server.port}`);
    await stand.expectOnFailure();
    const report = await stand.gateway.http.post("/v1/report", { key: "alice", tokens: 5 });
    expect(report).toMatchObject({ status: 503, json: { error: { code: "PARL_UNAVAILABLE" } } });
    expect(await stand.faults()).toEqual({ unreachable: 4 });
    const seen = await stand.gateway.scrape();
    expect(seen("parl_redis_up")).toBe(0);
    expect(seen("parl_redis_evicted_keys_total")).toBeUndefined();
    expect(seen("parl_blind_decisions_total")).toBe(3);
    await stand.replace();
    await stand.becomes("ready");
    await stand.expectDecided();
    expect(await stand.faults()).toEqual({ unreachable: 4 });
  });

  it("says why it does not come back, if that is known", async () => {
    await stand.server.kill();
    await stand.becomes("unready");
    await stand.replace(["--requirepass", "new"]);
    await expect.poll(async () => (await stand.ready()).redis.message, PATIENTLY).toMatch(/wants a password/);
    await stand.expectOnFailure();
  });

  it("starts, says so, and decides by Redis once that is there", async () => {
    await stand.server.kill();
    const early = await openRedisGateway(stand.server.url);
    onTestFinished(() => early.close());
    const { status, json } = await early.http.get("/readyz");
    expect(status).toBe(503);
    expect(json.redis.message).toMatch(/no connection to Redis \(connect ECONNREFUSED/);
    expect((await early.check("shut")).json).toMatchObject({ blind: true });
    await stand.replace();
    await expect.poll(async () => (await early.http.get("/readyz")).json.status, PATIENTLY).toBe("ready");
    expect((await early.check("shut")).json.blind).toBeUndefined();
  });

  it("answers each check within its deadline while Redis hangs, then at once, and recovers", async () => {
    stand.server.pause();
    const startedMs = performance.now();
    await stand.expectOnFailure();
    expect(performance.now() - startedMs).toBeLessThan(3 * DEADLINE_MS + 1_500);
    expect((await stand.faults()).timeout).toBe(3);
    expect((await stand.ready()).redis.message).toMatch(/did not answer within|no connection/);
    // Given up after two seconds; from then on nobody waits.
    await expect
      .poll(async () => (await stand.gateway.check("shut"), await stand.faults()).unreachable, PATIENTLY)
      .toBeGreaterThan(0);
    stand.server.resume();
    await stand.becomes("ready");
    await stand.expectDecided();
  });
});

describe("a Redis that refuses", () => {
  it("because it is a replica is left, and asked again once it is a primary", async () => {
    const primary = await startRedisServer({ flags: SYNC_AT_ONCE });
    onTestFinished(() => primary.stop());
    await stand.operator.call("REPLICAOF", primary.host, String(primary.port));
    await expect.poll(() => isReplica(stand.operator), PATIENTLY).toBe(true);
    const first = await stand.gateway.check("shut");
    expect(first.json).toMatchObject({ blind: true });
    expect((await stand.faults()).read_only).toBe(1);
    await expect
      .poll(async () => (await stand.ready()).redis.message)
      .toMatch(/it is a replica and takes no charges/);
    expect((await stand.gateway.http.get("/readyz")).status).toBe(503);
    await stand.operator.call("REPLICAOF", "NO", "ONE");
    await stand.becomes("ready");
    await stand.expectDecided();
  });

  it("because its primary is gone", async () => {
    await stand.operator.config("SET", "replica-serve-stale-data", "no");
    await stand.operator.call("REPLICAOF", "127.0.0.1", "9");
    await stand.expectRefused("primary_down");
    await stand.operator.call("REPLICAOF", "NO", "ONE");
    await stand.becomes("ready");
    await stand.expectDecided();
  });

  it("because it has too few replicas", async () => {
    await stand.operator.config("SET", "min-replicas-to-write", "1");
    await stand.expectRefused("too_few_replicas");
    await stand.operator.config("SET", "min-replicas-to-write", "0");
    await stand.expectDecided();
  });

  it("because its memory is full: nothing is charged by half, what is spent stays denied", async () => {
    for (let i = 0; i < 5; i += 1) await stand.gateway.check("shut");
    await stand.operator.config("SET", "maxmemory", "1");
    expect((await stand.gateway.check("shut")).json).toMatchObject({ outcome: "denied", policy: "shut" });
    expect((await stand.gateway.check("both")).json).toMatchObject({ blind: true });
    expect((await stand.gateway.check("both")).json).toMatchObject({ blind: true });
    expect(await stand.faults()).toEqual({ full: 2 });
    const { status, redis } = await stand.ready();
    expect([status, redis.message]).toEqual(["degraded", expect.stringContaining("its memory is full")]);
    await stand.operator.config("SET", "maxmemory", "0");
    expect((await stand.gateway.check("both")).json).toMatchObject({ policy: "both-org", remaining: 2 });
  });

  it("because it cannot save", async () => {
    const { operator } = stand;
    const [, folder] = (await operator.config("GET", "dir")) as [string, string];
    await operator.config("SET", "save", "3600 1");
    // Where the snapshot should be.
    const inTheWay = join(folder, "dump.rdb");
    await mkdir(inTheWay);
    await operator.bgsave();
    await expect.poll(() => operator.info("persistence"), PATIENTLY).toMatch(/^rdb_last_bgsave_status:err/m);
    await stand.expectRefused("not_persisting");
    const { status, redis } = await stand.ready();
    expect([status, redis.message]).toEqual(["degraded", expect.stringContaining("it cannot save")]);
    await rmdir(inTheWay);
    await operator.bgsave();
    await stand.becomes("ready");
    await stand.expectDecided();
  });

  it("because somebody's script does not end", async () => {
    await stand.operator.config("SET", "busy-reply-threshold", "20");
    const somebody = await connectRedis(stand.server.url);
    onTestFinished(() => somebody.disconnect());
    const killed = expect(somebody.eval("while true do end", 0)).rejects.toThrow();
    await expect
      .poll(() => stand.operator.ping().catch((error: Error) => error.message), PATIENTLY)
      .toMatch(/^BUSY/);
    await stand.expectRefused("busy");
    const { status, redis } = await stand.ready();
    expect([status, redis.message]).toEqual(["unready", expect.stringContaining("somebody's long script")]);
    await stand.operator.script("KILL");
    await killed;
    await stand.becomes("ready");
    await stand.expectDecided();
  });

  it("because the user lost the right to run scripts", async () => {
    await stand.operator.call("ACL", "SETUSER", "default", "-evalsha", "-eval");
    await stand.expectRefused("access");
    expect((await stand.ready()).redis.message).toMatch(/this user may not run the scripts/);
    await stand.operator.call("ACL", "SETUSER", "default", "+evalsha", "+eval");
    await stand.expectDecided();
  });

  it("because a key is somebody else's: nothing is charged under the other policy", async () => {
    await stand.gateway.check("both");
    const name = (await stand.operator.keys("*both-org*"))[0] as string;
    await stand.operator.set(name, "mine");
    expect((await stand.gateway.check("both")).json).toMatchObject({ blind: true });
    expect(await stand.faults()).toEqual({ foreign_key: 1 });
    await stand.operator.del(name);
    await stand.gateway.writePolicies(POLICIES);
    await expect
      .poll(async () => (await stand.gateway.http.get("/allow?tenant=both&key=alice&tokens=0")).json.policy)
      .toBe("per-key");
    expect(
      (await stand.gateway.http.get("/allow?tenant=both&key=alice&tokens=0")).json.remaining,
    ).toBeGreaterThanOrEqual(99);
  });

  it("because it loads a dataset", async () => {
    const primary = await startRedisServer({ flags: SYNC_AT_ONCE });
    onTestFinished(() => primary.stop());
    const other = await connectRedis(primary.url);
    for (let i = 0; i < 200; i += 1) await other.set(`k${i}`, randomBytes(2_000));
    other.disconnect();
    // In microseconds a key; and it listens to others after every kilobyte only.
    await stand.operator.config("SET", "key-load-delay", "10000");
    await stand.operator.config("SET", "loading-process-events-interval-bytes", "1024");
    await stand.operator.call("REPLICAOF", primary.host, String(primary.port));
    await expect
      .poll(() => stand.operator.info("persistence"), { ...PATIENTLY, interval: 5 })
      .toMatch(/^loading:1/m);
    await stand.expectRefused("loading");
    expect((await stand.ready()).status).toBe("unready");
    await stand.operator.config("SET", "key-load-delay", "0");
    await expect.poll(() => stand.operator.info("persistence"), PATIENTLY).toMatch(/^loading:0/m);
    await stand.operator.call("REPLICAOF", "NO", "ONE");
    await stand.becomes("ready");
    await stand.expectDecided();
  });
});

it("is not told of a SCRIPT FLUSH, however many there are: each is healed and counted", async () => {
  const over = new AbortController();
  const flushing = (async () => {
    while (!over.signal.aborted) await stand.operator.script("FLUSH");
  })();
  for (let i = 0; i < 50; i += 1) await stand.expectDecided();
  over.abort();
  await flushing;
  const seen = await stand.gateway.scrape();
  expect(seen("parl_redis_script_heals_total")).toBeGreaterThan(10);
  expect(
    (await stand.gateway.http.get("/allow?tenant=anybody&key=alice&tokens=0")).json.remaining,
  ).toBeLessThanOrEqual(51);
  expect(await stand.faults()).toEqual({});
});

it("says that a Redis evicts, and how much it has, since no check can tell", async () => {
  await stand.operator.config("SET", "maxmemory-policy", "allkeys-lru");
  // It has room, and would evict.
  const used = Number(/^used_memory:(\d+)/m.exec(await stand.operator.info("memory"))?.[1]);
  await stand.operator.config("SET", "maxmemory", String(used + 2 ** 18));
  const { status, redis } = await stand.ready();
  expect([status, redis.message]).toEqual([
    "degraded",
    expect.stringMatching(/it evicts keys .*allkeys-lru/),
  ]);
  await stand.gateway.check("shut");
  for (let i = 0; i < 200; i += 1) await stand.operator.set(`other ${i}`, "x".repeat(10_000));
  const seen = await stand.gateway.scrape();
  expect(seen("parl_redis_evicted_keys_total")).toBeGreaterThan(0);
});

it("follows its address to the replica that was promoted, which knows what was spent", async () => {
  const replica = await startRedisServer();
  onTestFinished(() => replica.stop());
  const promoted = await connectRedis(replica.url);
  onTestFinished(() => promoted.disconnect());
  await promoted.call("REPLICAOF", stand.server.host, String(stand.server.port));
  await expect.poll(() => isReplica(promoted), PATIENTLY).toBe(true);
  const address = await movingAddress(stand.server.port);
  onTestFinished(() => address.close());
  await stand.reopen(`redis://127.0.0.1:${address.port}`);
  for (let i = 0; i < 2; i += 1) await stand.gateway.check("both");
  await expect.poll(() => promoted.dbsize(), PATIENTLY).toBe(2);
  await stand.server.kill();
  await stand.becomes("unready");
  await stand.expectOnFailure();
  address.lead(replica.port);
  // The address leads to a replica before that is promoted.
  await expect.poll(async () => (await stand.ready()).redis.message).toMatch(/it is a replica/);
  await expect
    .poll(async () => (await stand.gateway.check("both"), await stand.faults()).read_only, PATIENTLY)
    .toBeGreaterThan(0);
  await promoted.call("REPLICAOF", "NO", "ONE");
  await stand.becomes("ready");
  expect((await stand.gateway.check("both")).json).toMatchObject({
    allowed: true,
    policy: "both-org",
    remaining: 0,
  });
  expect((await stand.gateway.check("both")).json).toMatchObject({ outcome: "denied", policy: "both-org" });
});
