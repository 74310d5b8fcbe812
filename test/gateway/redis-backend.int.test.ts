/** The gateway with a real Redis behind it, and whatever may become of that: each fault ends as the policy says. */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { connectRedis } from "../../lua/redis-connection.ts";
import { REDIS_FAULTS, type RedisFault } from "../../lua/redis-errors.ts";
import { movingAddress } from "../harness/moving-address.ts";
import { startRedisServer, type TestRedisServer } from "../harness/redis-server.ts";
import { DEADLINE_MS, openGatewayBefore, POLICIES, type OpenedGateway } from "./opened-gateway.ts";

/** Two policies for one tenant, so that something could be charged by half. */
const TWO = `${POLICIES}  - { name: both-org, dimension: org, match: { tenant: both }, algorithm: sliding-log, limit: 3, window: 1h }\n`;

/** A primary waits five seconds for more replicas otherwise. */
const SYNC_AT_ONCE = ["--repl-diskless-sync-delay", "0"];

let server: TestRedisServer;
let operator: Redis;
let gateway: OpenedGateway;

beforeEach(async () => {
  server = await startRedisServer({ flags: SYNC_AT_ONCE });
  operator = await connectRedis(server.url);
  gateway = await open(server.port);
});

afterEach(async () => {
  await gateway.close();
  operator.disconnect();
  await server.stop();
});

function open(port: number, policies = TWO): Promise<OpenedGateway> {
  const url = `redis://127.0.0.1:${port}`;
  return openGatewayBefore({ name: "redis", url, clock: "app", region: "redis" }, policies);
}

async function ready() {
  return (await gateway.http.get("/readyz")).json;
}

async function becomes(status: string): Promise<void> {
  await expect.poll(async () => (await ready()).status, { timeout: 10_000 }).toBe(status);
}

/** Faults counted so far, those that are none left out. */
async function faults(): Promise<Partial<Record<RedisFault, number>>> {
  const seen = await gateway.scrape();
  const counts = REDIS_FAULTS.map((fault) => [fault, seen("parl_redis_faults_total", { fault })] as const);
  return Object.fromEntries(counts.filter(([, count]) => count !== 0));
}

/** Asks for three tenants whose policies differ in what they want of an outage. */
async function expectOnFailure(): Promise<void> {
  const [open1, shut, here] = [
    await gateway.check("anybody"),
    await gateway.check("shut"),
    await gateway.check("here"),
  ];
  expect(open1).toMatchObject({ status: 200, json: { allowed: true, blind: true, policy: null } });
  expect(open1.headers["parl-blind"]).toBe("allow");
  expect(shut).toMatchObject({ status: 429, json: { outcome: "denied", blind: true } });
  expect(shut.headers).toMatchObject({ "parl-blind": "deny", "retry-after": "1" });
  expect(here).toMatchObject({ json: { blind: true, policy: "here" } });
  expect(here.headers["parl-blind"]).toBe("local");
}

async function expectDecided(tenant = "anybody"): Promise<void> {
  const answer = await gateway.check(tenant);
  expect(answer.json.blind).toBeUndefined();
  expect(answer.json.region).toBe("redis");
}

async function isReplica(redis: Redis): Promise<boolean> {
  return (await redis.info("replication")).includes("master_link_status:up");
}

describe("with a Redis that works", () => {
  it("answers with the same fields and problems as before a region", async () => {
    const { http } = gateway;
    const first = await http.get("/allow?key=alice&tokens=99");
    expect(first).toMatchObject({ status: 200, json: { allowed: true, remaining: 1, region: "redis" } });
    expect(first.json).toEqual({
      allowed: true,
      outcome: "allowed",
      remaining: 1,
      limit: 100,
      retryAfterMs: 0,
      resetAfterMs: 59_400,
      policy: "per-key",
      dimension: "key",
      tier: "approximate",
      region: "redis",
      overshootMaxPct: 0,
    });
    expect(first.headers["ratelimit-policy"]).toBe('"per-key";q=100;w=60');
    expect(first.headers["ratelimit"]).toBe('"per-key";r=1;t=60');
    expect((await http.get("/allow?key=alice")).headers["x-ratelimit-remaining"]).toBe("0");
    const refused = await http.get("/allow?key=alice");
    expect(refused).toMatchObject({
      status: 429,
      json: { outcome: "denied", "violated-policies": ["per-key"] },
    });
    expect(refused.headers).toMatchObject({
      "content-type": "application/problem+json",
      "retry-after": "1",
      "x-ratelimit-limit": "100",
    });
    expect((await http.get("/allow?key=alice&tokens=101")).json.outcome).toBe("unsatisfiable");
    const queued = [await gateway.check("queue"), await gateway.check("queue")];
    expect(queued[1]?.json.delayMs).toBeGreaterThan(0);
    expect((await http.ask("/allow?key=dora", { method: "HEAD" })).headers["x-ratelimit-remaining"]).toBe(
      "99",
    );
  });

  it("checks and reports by POST, charges a retry under the same id once, and a peek not at all", async () => {
    const { http } = gateway;
    const check = await http.post("/v1/check", { tenantId: "acme", apiKey: "k.1", userId: "u1", tokens: 5 });
    expect(check).toMatchObject({ status: 200, json: { remaining: 95, policy: "per-key" } });
    const report = await http.post("/v1/report", { tenant: "acme", key: "k.1", tokens: 150 });
    expect(report).toMatchObject({ status: 200, json: { charged: 150, remaining: 0, region: "redis" } });
    expect((await http.get("/allow?key=carol&tokens=0")).json.remaining).toBe(100);
    for (let i = 0; i < 3; i += 1) {
      expect((await http.get("/allow?key=carol&id=once")).json.remaining).toBe(99);
    }
    expect((await http.get("/allow?key=carol&tokens=0")).json.remaining).toBe(99);
    const reused = await http.get("/allow?key=carol&id=once&tokens=2");
    expect(reused).toMatchObject({ status: 409, json: { error: { code: "PARL_ID_REUSED", field: "id" } } });
    expect(await faults()).toEqual({});
  });

  it("gives every tenant, key and user text its own limit", async () => {
    const odd = ["a.b", "a", "b", "*", "{a}", "}", "\0", "x".repeat(5_000), "__proto__", "_org", "~x", "ü"];
    for (const raw of odd) {
      const text = encodeURIComponent(raw);
      expect((await gateway.http.get(`/allow?tenant=odd&key=${text}`)).json.remaining).toBe(99);
      expect((await gateway.http.get(`/allow?tenant=${text}&key=frank`)).json.remaining).toBe(99);
    }
    // Where tenant ends and key begins is no matter of opinion.
    expect((await gateway.http.get("/allow?tenant=a.key.b&key=c")).json.remaining).toBe(99);
    expect((await gateway.http.get("/allow?tenant=a&key=b.key.c")).json.remaining).toBe(99);
  });

  it("refuses what Redis cannot do, and charges nothing", async () => {
    const { http } = gateway;
    expect(await http.get("/allow?key=erin&tier=strong")).toMatchObject({
      status: 501,
      json: { error: { code: "PARL_TIER_UNAVAILABLE", field: "tier" } },
    });
    expect((await http.post("/v1/observe", { what: "region" })).status).toBe(404);
    expect((await http.get("/allow?key=erin&tokens=-1")).json.error.field).toBe("tokens");
    expect(await operator.dbsize()).toBe(0);
  });

  it("charges both policies of a check or none", async () => {
    const { http } = gateway;
    for (let left = 2; left >= 0; left -= 1) {
      const answer = await http.get("/allow?tenant=both&key=alice");
      expect(answer.json).toMatchObject({ allowed: true, policy: "both-org", remaining: left });
    }
    for (let i = 0; i < 5; i += 1) {
      const refused = await http.get("/allow?tenant=both&key=alice");
      expect(refused.json).toMatchObject({ outcome: "denied", "violated-policies": ["both-org"] });
    }
    await gateway.writePolicies(POLICIES);
    // Without the second policy what the first has left comes to light.
    await expect
      .poll(async () => (await http.get("/allow?tenant=both&key=alice&tokens=0")).json.policy)
      .toBe("per-key");
    expect((await http.get("/allow?tenant=both&key=alice&tokens=0")).json.remaining).toBeGreaterThanOrEqual(
      97,
    );
  });

  it("is ready, and counts what it answered by backend and result", async () => {
    expect(await ready()).toEqual({
      status: "ready",
      region: "redis",
      redis: { ok: true },
      policies: { ok: true },
    });
    await gateway.check("shut");
    await gateway.http.get("/allow?tenant=shut&key=alice&tokens=6");
    const seen = await gateway.scrape();
    const decisions = (result: string) =>
      seen("parl_decisions_total", { result, backend: "redis", algorithm: "gcra", region: "redis" });
    expect([decisions("allowed"), decisions("unsatisfiable")]).toEqual([1, 1]);
    expect(seen("parl_redis_up")).toBe(1);
    expect(seen("parl_redis_in_flight")).toBe(0);
    expect(seen("parl_redis_used_bytes")).toBeGreaterThan(0);
    expect(seen("parl_blind_decisions_total")).toBe(0);
    expect(await faults()).toEqual({});
  });
});

describe("policies that change while it runs", () => {
  it("find what was spent, and a broken file or one that is not for Redis leaves the last good one", async () => {
    await gateway.http.get("/allow?key=alice&tokens=60");
    const seen = async () => (await gateway.http.get("/allow?key=alice&tokens=0")).json;
    await gateway.writePolicies(POLICIES.replace("limit: 100,", "limit: 70,"));
    await expect.poll(async () => (await seen()).limit).toBe(70);
    expect((await seen()).remaining).toBeLessThanOrEqual(12);
    // No divisor in common: a full bucket is 3 * 10^15 ticks, which a shard counts exactly and a script does not.
    await gateway.writePolicies(POLICIES.replace("limit: 100, window: 60s", "limit: 101, window: 366d"));
    await becomes("degraded");
    const { policies } = await ready();
    expect(policies.message).toMatch(
      /policies\[0\]\.limit is not possible with Redis behind the gateway, got "per-key"/,
    );
    expect((await seen()).limit).toBe(70);
    await gateway.writePolicies(POLICIES);
    await becomes("ready");
    expect((await seen()).limit).toBe(100);
  });

  it("which Redis cannot decide by keep it from starting, and are named", async () => {
    const text = TWO.replace("limit: 100, window: 60s", "limit: 101, window: 366d");
    await expect(open(server.port, text)).rejects.toMatchObject({ code: "PARL_INVALID_POLICY" });
  });
});

describe("without its Redis", () => {
  it("decides by onFailure, marks and counts it, and recovers by itself", async () => {
    await expectDecided();
    await server.kill();
    // The operating system tells at once.
    await becomes("unready");
    expect((await ready()).redis.message).toContain(`127.0.0.1:${server.port}`);
    await expectOnFailure();
    const report = await gateway.http.post("/v1/report", { key: "alice", tokens: 5 });
    expect(report).toMatchObject({ status: 503, json: { error: { code: "PARL_UNAVAILABLE" } } });
    expect(await faults()).toEqual({ unreachable: 4 });
    const seen = await gateway.scrape();
    expect(seen("parl_redis_up")).toBe(0);
    expect(seen("parl_redis_evicted_keys_total")).toBeUndefined();
    expect(seen("parl_blind_decisions_total")).toBe(3);
    const { port } = server;
    await server.stop();
    server = await startRedisServer({ port });
    await becomes("ready");
    await expectDecided();
    expect(await faults()).toEqual({ unreachable: 4 });
  });

  it("says why it does not come back, if that is known", async () => {
    await server.kill();
    await becomes("unready");
    const { port } = server;
    await server.stop();
    server = await startRedisServer({ port, flags: ["--requirepass", "new"] });
    await expect
      .poll(async () => (await ready()).redis.message, { timeout: 10_000 })
      .toMatch(/wants a password/);
    await expectOnFailure();
  });

  it("starts, says so, and decides by Redis once that is there", async () => {
    await server.kill();
    const early = await open(server.port);
    onTestFinished(() => early.close());
    const { status, json } = await early.http.get("/readyz");
    expect(status).toBe(503);
    expect(json.redis.message).toMatch(/no connection to Redis \(connect ECONNREFUSED/);
    expect((await early.check("shut")).json).toMatchObject({ blind: true });
    const { port } = server;
    await server.stop();
    server = await startRedisServer({ port });
    await expect
      .poll(async () => (await early.http.get("/readyz")).json.status, { timeout: 10_000 })
      .toBe("ready");
    expect((await early.check("shut")).json.blind).toBeUndefined();
  });

  it("answers every check of a crowd within its deadline while Redis hangs, and recovers", async () => {
    server.pause();
    const startedMs = performance.now();
    await expectOnFailure();
    expect(performance.now() - startedMs).toBeLessThan(3 * DEADLINE_MS + 1_500);
    expect((await faults()).timeout).toBe(3);
    expect((await ready()).redis.message).toMatch(/did not answer within|no connection/);
    // Given up after two seconds; from then on nobody waits.
    await expect
      .poll(async () => (await gateway.check("shut"), await faults()).unreachable, { timeout: 10_000 })
      .toBeGreaterThan(0);
    server.resume();
    await becomes("ready");
    await expectDecided();
  });
});

describe("a Redis that refuses", () => {
  async function expectRefused(fault: RedisFault): Promise<void> {
    await expectOnFailure();
    expect(await faults()).toEqual({ [fault]: 3 });
  }

  it("because it is a replica is left, and asked again once it is a primary", async () => {
    const primary = await startRedisServer({ flags: SYNC_AT_ONCE });
    onTestFinished(() => primary.stop());
    await operator.call("REPLICAOF", primary.host, String(primary.port));
    await expect.poll(() => isReplica(operator), { timeout: 10_000 }).toBe(true);
    const first = await gateway.check("shut");
    expect(first.json).toMatchObject({ blind: true });
    expect((await faults()).read_only).toBe(1);
    await expect
      .poll(async () => (await ready()).redis.message)
      .toMatch(/it is a replica and takes no charges/);
    expect((await gateway.http.get("/readyz")).status).toBe(503);
    await operator.call("REPLICAOF", "NO", "ONE");
    await becomes("ready");
    await expectDecided();
  });

  it("because its primary is gone", async () => {
    await operator.config("SET", "replica-serve-stale-data", "no");
    await operator.call("REPLICAOF", "127.0.0.1", "9");
    await expectRefused("primary_down");
    await operator.call("REPLICAOF", "NO", "ONE");
    await becomes("ready");
    await expectDecided();
  });

  it("because it has too few replicas", async () => {
    await operator.config("SET", "min-replicas-to-write", "1");
    await expectRefused("too_few_replicas");
    await operator.config("SET", "min-replicas-to-write", "0");
    await expectDecided();
  });

  it("because its memory is full: nothing is charged by half, what is spent stays denied", async () => {
    for (let i = 0; i < 5; i += 1) await gateway.check("shut");
    await operator.config("SET", "maxmemory", "1");
    expect((await gateway.check("shut")).json).toMatchObject({ outcome: "denied", policy: "shut" });
    expect((await gateway.check("both")).json).toMatchObject({ blind: true });
    expect((await gateway.check("both")).json).toMatchObject({ blind: true });
    expect(await faults()).toEqual({ full: 2 });
    const { status, redis } = await ready();
    expect([status, redis.message]).toEqual(["degraded", expect.stringContaining("its memory is full")]);
    await operator.config("SET", "maxmemory", "0");
    expect((await gateway.check("both")).json).toMatchObject({ policy: "both-org", remaining: 2 });
  });

  it("because the user lost the right to run scripts", async () => {
    await operator.call("ACL", "SETUSER", "default", "-evalsha", "-eval");
    await expectRefused("access");
    await operator.call("ACL", "SETUSER", "default", "+evalsha", "+eval");
    await expectDecided();
  });

  it("because a key is somebody else's: nothing is charged under the other policy", async () => {
    await gateway.check("both");
    const name = (await operator.keys("*both-org*"))[0] as string;
    await operator.set(name, "mine");
    expect((await gateway.check("both")).json).toMatchObject({ blind: true });
    expect(await faults()).toEqual({ foreign_key: 1 });
    await operator.del(name);
    await gateway.writePolicies(POLICIES);
    await expect
      .poll(async () => (await gateway.http.get("/allow?tenant=both&key=alice&tokens=0")).json.policy)
      .toBe("per-key");
    expect(
      (await gateway.http.get("/allow?tenant=both&key=alice&tokens=0")).json.remaining,
    ).toBeGreaterThanOrEqual(99);
  });

  it("because it loads a dataset", async () => {
    const primary = await startRedisServer({ flags: SYNC_AT_ONCE });
    onTestFinished(() => primary.stop());
    const other = await connectRedis(primary.url);
    for (let i = 0; i < 200; i += 1) await other.set(`k${i}`, randomBytes(2_000));
    other.disconnect();
    // In microseconds a key; and it listens to others after every kilobyte only.
    await operator.config("SET", "key-load-delay", "10000");
    await operator.config("SET", "loading-process-events-interval-bytes", "1024");
    await operator.call("REPLICAOF", primary.host, String(primary.port));
    await expect
      .poll(() => operator.info("persistence"), { timeout: 10_000, interval: 5 })
      .toMatch(/^loading:1/m);
    await expectRefused("loading");
    expect((await ready()).status).toBe("unready");
    await operator.config("SET", "key-load-delay", "0");
    await expect.poll(() => operator.info("persistence"), { timeout: 10_000 }).toMatch(/^loading:0/m);
    await operator.call("REPLICAOF", "NO", "ONE");
    await becomes("ready");
    await expectDecided();
  });
});

it("is not told of a SCRIPT FLUSH, however many there are: each is healed and counted", async () => {
  const over = new AbortController();
  const flushing = (async () => {
    while (!over.signal.aborted) await operator.script("FLUSH");
  })();
  for (let i = 0; i < 50; i += 1) await expectDecided();
  over.abort();
  await flushing;
  const seen = await gateway.scrape();
  expect(seen("parl_redis_script_heals_total")).toBeGreaterThan(10);
  expect(
    (await gateway.http.get("/allow?tenant=anybody&key=alice&tokens=0")).json.remaining,
  ).toBeLessThanOrEqual(51);
  expect(await faults()).toEqual({});
});

it("says that a Redis evicts, and how much it has, since no check can tell", async () => {
  await operator.config("SET", "maxmemory-policy", "allkeys-lru");
  // It has room, and would evict.
  const used = Number(/^used_memory:(\d+)/m.exec(await operator.info("memory"))?.[1]);
  await operator.config("SET", "maxmemory", String(used + 2 ** 18));
  const { status, redis } = await ready();
  expect([status, redis.message]).toEqual([
    "degraded",
    expect.stringMatching(/it evicts keys .*allkeys-lru/),
  ]);
  await gateway.check("shut");
  for (let i = 0; i < 200; i += 1) await operator.set(`other ${i}`, "x".repeat(10_000));
  const seen = await gateway.scrape();
  expect(seen("parl_redis_evicted_keys_total")).toBeGreaterThan(0);
});

it("follows its address to the replica that was promoted, which knows what was spent", async () => {
  const replica = await startRedisServer();
  onTestFinished(() => replica.stop());
  const promoted = await connectRedis(replica.url);
  onTestFinished(() => promoted.disconnect());
  await promoted.call("REPLICAOF", server.host, String(server.port));
  await expect.poll(() => isReplica(promoted), { timeout: 10_000 }).toBe(true);
  const address = await movingAddress(server.port);
  onTestFinished(() => address.close());
  await gateway.close();
  gateway = await open(address.port);
  for (let i = 0; i < 4; i += 1) await gateway.check("shut");
  await expect.poll(() => promoted.dbsize()).toBe(2);
  await server.kill();
  await becomes("unready");
  await expectOnFailure();
  address.lead(replica.port);
  // The address leads to a replica before that is promoted.
  await expect.poll(async () => (await ready()).redis.message).toMatch(/it is a replica/);
  expect((await gateway.check("shut")).json).toMatchObject({ blind: true });
  expect((await faults()).read_only).toBe(1);
  await promoted.call("REPLICAOF", "NO", "ONE");
  await becomes("ready");
  expect((await gateway.check("shut")).json).toMatchObject({ allowed: true, policy: "shut", remaining: 0 });
  expect((await gateway.check("shut")).json).toMatchObject({ outcome: "denied", policy: "shut" });
});
