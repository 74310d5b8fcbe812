/** The gateway with a real Redis behind it that does what it should. */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { POLICIES } from "./opened-gateway.ts";
import { openRedisGateway, RedisStand } from "./redis-stand.ts";

let stand: RedisStand;

beforeEach(async () => {
  stand = await RedisStand.open();
});

afterEach(() => stand.close());

describe("with a Redis that works", () => {
  it("answers with the same fields and problems as before a region", async () => {
    const { http } = stand.gateway;
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
    const queued = [await stand.gateway.check("queue"), await stand.gateway.check("queue")];
    expect(queued[1]?.json.delayMs).toBeGreaterThan(0);
    expect((await http.ask("/allow?key=dora", { method: "HEAD" })).headers["x-ratelimit-remaining"]).toBe(
      "99",
    );
  });

  it("checks and reports by POST, charges a retry under the same id once, and a peek not at all", async () => {
    const { http } = stand.gateway;
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
    expect(await stand.faults()).toEqual({});
  });

  it("gives every tenant, key and user text its own limit", async () => {
    const odd = ["a.b", "a", "b", "*", "{a}", "}", "\0", "x".repeat(5_000), "__proto__", "_org", "~x", "ü"];
    for (const raw of odd) {
      const text = encodeURIComponent(raw);
      expect((await stand.gateway.http.get(`/allow?tenant=odd&key=${text}`)).json.remaining).toBe(99);
      expect((await stand.gateway.http.get(`/allow?tenant=${text}&key=frank`)).json.remaining).toBe(99);
    }
    // Where tenant ends and key begins is no matter of opinion.
    expect((await stand.gateway.http.get("/allow?tenant=a.key.b&key=c")).json.remaining).toBe(99);
    expect((await stand.gateway.http.get("/allow?tenant=a&key=b.key.c")).json.remaining).toBe(99);
  });

  it("refuses what Redis cannot do, and charges nothing", async () => {
    const { http } = stand.gateway;
    expect(await http.get("/allow?key=erin&tier=strong")).toMatchObject({
      status: 501,
      json: { error: { code: "PARL_TIER_UNAVAILABLE", field: "tier" } },
    });
    expect((await http.post("/v1/observe", { what: "region" })).status).toBe(404);
    expect((await http.get("/allow?key=erin&tokens=-1")).json.error.field).toBe("tokens");
    expect(await stand.operator.dbsize()).toBe(0);
  });

  it("charges both policies of a check or none", async () => {
    const { http } = stand.gateway;
    for (let left = 2; left >= 0; left -= 1) {
      const answer = await http.get("/allow?tenant=both&key=alice");
      expect(answer.json).toMatchObject({ allowed: true, policy: "both-org", remaining: left });
    }
    for (let i = 0; i < 5; i += 1) {
      const refused = await http.get("/allow?tenant=both&key=alice");
      expect(refused.json).toMatchObject({ outcome: "denied", "violated-policies": ["both-org"] });
    }
    await stand.gateway.writePolicies(POLICIES);
    // Without the second policy what the first has left comes to light.
    await expect
      .poll(async () => (await http.get("/allow?tenant=both&key=alice&tokens=0")).json.policy)
      .toBe("per-key");
    expect((await http.get("/allow?tenant=both&key=alice&tokens=0")).json.remaining).toBeGreaterThanOrEqual(
      97,
    );
  });

  it("is ready, and counts what it answered by backend and result", async () => {
    expect(await stand.ready()).toEqual({
      status: "ready",
      region: "redis",
      redis: { ok: true },
      policies: { ok: true },
    });
    await stand.gateway.check("shut");
    await stand.gateway.http.get("/allow?tenant=shut&key=alice&tokens=6");
    const seen = await stand.gateway.scrape();
    const decisions = (result: string) =>
      seen("parl_decisions_total", { result, backend: "redis", algorithm: "gcra", region: "redis" });
    expect([decisions("allowed"), decisions("unsatisfiable")]).toEqual([1, 1]);
    expect(seen("parl_redis_up")).toBe(1);
    expect(seen("parl_redis_in_flight")).toBe(0);
    expect(seen("parl_redis_used_bytes")).toBeGreaterThan(0);
    expect(seen("parl_blind_decisions_total")).toBe(0);
    expect(await stand.faults()).toEqual({});
  });
});

it("needs no more rights than the handbook says, whatever the algorithm", async () => {
  const handbook = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
  const [command, ...words] = (/^ACL SETUSER parl .*$/m.exec(handbook)?.[0] ?? "").split(" ");
  await stand.operator.call(command as string, ...words);
  const policies = ALGORITHMS.map(
    (name) => `  - { name: ${name}, dimension: key, algorithm: ${name}, limit: 2, window: 1h }\n`,
  );
  await stand.reopen(
    `redis://parl:password@127.0.0.1:${stand.server.port}`,
    `version: 1\npolicies:\n${policies.join("")}`,
  );
  for (let i = 0; i < 4; i += 1) await stand.gateway.http.get("/allow?key=alice");
  expect(await stand.gateway.http.post("/v1/report", { key: "bob", tokens: 9, id: "r1" })).toMatchObject({
    status: 200,
  });
  expect((await stand.ready()).status).toBe("ready");
  expect(await stand.faults()).toEqual({});
  expect((await stand.gateway.http.get("/allow?key=alice")).status).toBe(429);
});

describe("policies that change while it runs", () => {
  it("find what was spent, and a broken file or one that is not for Redis leaves the last good one", async () => {
    await stand.gateway.http.get("/allow?key=alice&tokens=60");
    const seen = async () => (await stand.gateway.http.get("/allow?key=alice&tokens=0")).json;
    await stand.gateway.writePolicies(POLICIES.replace("limit: 100,", "limit: 70,"));
    await expect.poll(async () => (await seen()).limit).toBe(70);
    expect((await seen()).remaining).toBeLessThanOrEqual(12);
    // No divisor in common: a full bucket is 3 * 10^15 ticks, which a shard counts exactly and a script does not.
    await stand.gateway.writePolicies(
      POLICIES.replace("limit: 100, window: 60s", "limit: 101, window: 366d"),
    );
    await stand.becomes("degraded");
    const { policies } = await stand.ready();
    expect(policies.message).toMatch(
      /policies\[0\]\.limit is not possible with Redis behind the gateway, got "per-key"/,
    );
    expect((await seen()).limit).toBe(70);
    await stand.gateway.writePolicies(POLICIES);
    await stand.becomes("ready");
    expect((await seen()).limit).toBe(100);
  });

  it("which Redis cannot decide by keep it from starting, and are named", async () => {
    const text = POLICIES.replace("limit: 100, window: 60s", "limit: 101, window: 366d");
    await expect(openRedisGateway(stand.server.url, text)).rejects.toMatchObject({
      code: "PARL_INVALID_POLICY",
    });
  });
});
