/** The gateway as it runs: real sockets in front, a real nats-server and a real actor behind. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import type { HttpConnection } from "../harness/http-connection.ts";
import { startRegion, type TestRegion } from "../harness/region.ts";
import { openGateway, POLICIES, type OpenedGateway } from "./opened-gateway.ts";

let region: TestRegion;
let gateway: OpenedGateway;
let http: HttpConnection;

beforeAll(async () => {
  region = await startRegion({ policies: POLICIES });
});

afterAll(() => region.stop());

beforeEach(async () => {
  gateway = await openGateway(region.address);
  http = gateway.http;
});

afterEach(() => gateway.close());

it("answers 200 with what is left, and 429 with a wait once nothing is", async () => {
  const first = await http.get("/allow?key=alice&tokens=99");
  expect(first).toMatchObject({ status: 200, json: { allowed: true, remaining: 1, region: "eu" } });
  expect(first.headers["ratelimit-policy"]).toBe('"per-key";q=100;w=60');
  expect(first.headers["ratelimit"]).toMatch(/^"per-key";r=1;t=60$/);
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
  expect((await http.get("/allow?key=bob")).status).toBe(200);
});

async function ask() {
  const sentMs = performance.now();
  const { status, headers, json } = await gateway.check("quick");
  return { status, headers, json, sentMs, doneMs: performance.now() };
}

it("tells waits that are true: refused before, allowed after", async () => {
  let answer = await ask();
  while (answer.status === 200) answer = await ask();
  const { json, headers, sentMs, doneMs } = answer;
  expect(json.retryAfterMs).toBeGreaterThan(0);
  expect(json.retryAfterMs).toBeLessThanOrEqual(500);
  expect(headers["retry-after"]).toBe("1");
  let last = answer;
  let next = await ask();
  while (next.status === 429) {
    last = next;
    next = await ask();
  }
  // Each bound holds however long messages took: what was asked later than told was not refused, and what
  // was answered earlier than told was not allowed. Waits are told in whole milliseconds, rounded up.
  expect(last.sentMs).toBeLessThan(doneMs + json.retryAfterMs);
  expect(next.doneMs).toBeGreaterThan(sentMs + json.retryAfterMs - 1);
});

it("charges a retry under the same id once, and a peek not at all", async () => {
  for (let i = 0; i < 3; i += 1) {
    expect((await http.get("/allow?key=carol&id=once")).json.remaining).toBe(99);
  }
  expect((await http.get("/allow?key=carol&tokens=0")).json.remaining).toBe(99);
  expect((await http.get("/allow?key=carol&id=once&tokens=2")).status).toBe(409);
});

it("answers HEAD like GET", async () => {
  const head = await http.ask("/allow?key=dora", { method: "HEAD" });
  expect(head).toMatchObject({ status: 200, body: "" });
  expect(head.headers["x-ratelimit-remaining"]).toBe("99");
});

it("lets a leaky queue's caller know how long to wait before going ahead", async () => {
  const answers = [await http.get("/allow?tenant=queue&key=a"), await http.get("/allow?tenant=queue&key=a")];
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect(answers[1]?.json.delayMs).toBeGreaterThan(0);
});

it("takes the largest report there is for no more than two bursts, and none beyond", async () => {
  const usage = { tenant: "acme", key: "greedy" };
  const beyond = await http.post("/v1/report", { ...usage, tokens: 2 ** 50 });
  expect(beyond).toMatchObject({
    status: 400,
    json: {
      error: {
        field: "tokens",
        message: expect.stringMatching(/from 0 to 2147483647, got 1125899906842624$/),
      },
    },
  });
  expect((await http.get("/allow?tenant=acme&key=greedy&tokens=0")).json.remaining).toBe(100);
  for (let i = 0; i < 3; i += 1) {
    const { json } = await http.post("/v1/report", { ...usage, tokens: 2 ** 31 - 1 });
    expect(json).toMatchObject({ charged: 2 ** 31 - 1, remaining: 0 });
    expect(json.resetAfterMs).toBeGreaterThan(119_000);
    expect(json.resetAfterMs).toBeLessThanOrEqual(120_000);
  }
  const denied = await http.get("/allow?tenant=acme&key=greedy");
  expect(denied.status).toBe(429);
  expect(denied.json.retryAfterMs).toBeLessThanOrEqual(60_600);
});

it("checks, reports and observes by POST, under the names of either wire", async () => {
  const check = await http.post("/v1/check", { tenantId: "acme", apiKey: "k.1", userId: "u1", tokens: 5 });
  expect(check).toMatchObject({ status: 200, json: { remaining: 95, policy: "per-key" } });
  const report = await http.post("/v1/report", { tenant: "acme", key: "k.1", tokens: 90, id: "r1" });
  expect(report).toMatchObject({ status: 200, json: { charged: 90, policy: "per-key" } });
  expect(report.json.remaining).toBeLessThan(10);
  const seen = await http.post("/v1/observe", { what: "key", tenant: "acme", key: "k.1" });
  expect(seen).toMatchObject({ status: 200, json: { region: "eu", tenant: "acme", key: "k.1" } });
  expect((await http.post("/v1/observe", { what: "policy", policy: "quick" })).json.limit).toBe(4);
  expect((await http.post("/v1/observe", { what: "shard", shard: 63 })).json.shard).toBe(63);
  expect((await http.post("/v1/observe", { what: "region" })).json.shards).toBe(64);
  const unknown = await http.post("/v1/observe", { what: "policy", policy: "nope" });
  expect(unknown).toMatchObject({
    status: 404,
    json: { error: { code: "PARL_NOT_FOUND", field: "policy" } },
  });
  const beyond = await http.post("/v1/observe", { what: "shard", shard: 64 });
  expect(beyond).toMatchObject({ status: 400, json: { error: { field: "shard" } } });
});

it("refuses bad input naming the field, charges nothing and keeps the connection", async () => {
  const bad: [path: string, field: string][] = [
    ["/allow", "key"],
    ["/allow?tenant=acme", "key"],
    ["/allow?key=", "key"],
    ...["-1", "1.5", "NaN", "9007199254740992", "Infinity", ""].map((tokens): [string, string] => [
      `/allow?key=erin&tokens=${tokens}`,
      "tokens",
    ]),
    ["/allow?key=erin&tier=psychic", "tier"],
    ["/allow?key=erin&key=erin", "key"],
    ["/allow?key=erin&__proto__=1", "__proto__"],
    ["/allow?key=%ff", "key"],
  ];
  await http.get("/allow?key=erin");
  for (const [path, field] of bad) {
    const { status, json, isReused } = await http.get(path);
    expect({ path, status, field: json.error.field, isReused }).toEqual({
      path,
      status: 400,
      field,
      isReused: true,
    });
  }
  for (const [body, field] of [
    [{ key: "erin", tokens: "1" }, "tokens"],
    [{ key: "erin", tokens: -1 }, "tokens"],
    [{ key: "erin", token: 5 }, "token"],
    [{ key: 7 }, "key"],
    [{}, "key"],
  ] as const) {
    for (const path of ["/v1/check", "/v1/report"]) {
      expect(await http.post(path, body)).toMatchObject({ status: 400, json: { error: { field } } });
    }
  }
  const strong = await http.get("/allow?key=erin&tier=strong");
  expect(strong).toMatchObject({
    status: 501,
    json: { error: { code: "PARL_TIER_UNAVAILABLE", field: "tier" } },
  });
  const after = await http.get("/allow?key=erin&tokens=0");
  expect(after).toMatchObject({ isReused: true, json: { remaining: 99 } });
});

it("takes any text for tenant and key, each its own limit", async () => {
  const odd = [
    "a.b",
    "*",
    ">",
    "a b",
    "\0",
    "x".repeat(5_000),
    "__proto__",
    "constructor",
    "_org",
    "~x",
    "ü",
  ];
  for (const raw of odd) {
    const text = encodeURIComponent(raw);
    expect((await http.get(`/allow?tenant=odd&key=${text}`)).json.remaining).toBe(99);
    expect((await http.get(`/allow?tenant=${text}&key=frank`)).json.remaining).toBe(99);
  }
});

it("counts what it answered, and its numbers agree with the actor's", async () => {
  const before = await gateway.scrape();
  const actorBefore = before("parl_actor_decisions_total") ?? 0;
  for (let i = 0; i < 4; i += 1) await http.get("/allow?key=grace&tokens=30");
  await http.get("/allow?key=grace&tokens=500");
  await http.get("/allow?key=grace&tokens=x");
  await http.post("/v1/check", { key: "heidi" });
  const seen = await gateway.scrape();
  const decisions = (result: string) =>
    seen("parl_decisions_total", { result, algorithm: "gcra", tier: "approximate", region: "eu" });
  expect(decisions("allowed")).toBe(4);
  expect(decisions("denied")).toBe(1);
  expect(decisions("unsatisfiable")).toBe(1);
  expect(seen("parl_decisions_total")).toBe(6);
  expect((seen("parl_actor_decisions_total") as number) - actorBefore).toBe(6);
  expect(seen("parl_gateway_errors_total", { error: "invalid_argument" })).toBe(1);
  expect(seen("parl_gateway_errors_total")).toBe(1);
  expect(seen("parl_blind_decisions_total")).toBe(0);
  expect(seen("parl_gateway_check_duration_seconds_count")).toBe(6);
  expect(seen("parl_gateway_check_duration_seconds_bucket", { le: "+Inf" })).toBe(6);
  const quantile = (q: string) => seen("parl_gateway_check_duration_quantile_seconds", { quantile: q });
  expect(quantile("0.5")).toBeGreaterThan(0);
  expect(quantile("0.99")).toBeGreaterThanOrEqual(quantile("0.5") as number);
  expect(seen("parl_actor_decision_duration_seconds_count", { region: "eu" })).toBeGreaterThanOrEqual(6);
  expect(seen("parl_actor_decision_duration_quantile_seconds", { quantile: "0.95" })).toBeGreaterThan(0);
  expect(seen("parl_actor_up", { region: "eu" })).toBe(1);
  expect(seen("parl_actor_shards")).toBe(64);
  expect(seen("parl_actor_keys")).toBeGreaterThan(0);
  for (const name of [
    "mailbox_depth",
    "evictions_total",
    "overflowed_total",
    "tenants_full",
    "overloaded_total",
    "crashes_total",
  ]) {
    expect(seen(`parl_actor_${name}`)).toBe(0);
  }
  // The scrape itself is the one request under way.
  expect(seen("parl_gateway_in_flight")).toBe(1);
});

it("names no key and no tenant in its metrics", async () => {
  await http.get("/allow?tenant=secret-tenant&key=secret-key&user=secret-user");
  expect((await http.get("/metrics")).body).not.toContain("secret");
});

it("adopts a changed policy file, and keeps the last good one in force", async () => {
  const policyField = async () => (await http.get("/allow?key=ivan&tokens=0")).headers["ratelimit-policy"];
  expect(await policyField()).toBe('"per-key";q=100;w=60');
  await gateway.writePolicies(POLICIES.replace("limit: 100, window: 60s", "limit: 100, window: 120s"));
  await expect.poll(policyField).toBe('"per-key";q=100;w=120');
  await gateway.writePolicies(POLICIES.replace("limit: 100", "limit: -1"));
  await expect.poll(async () => (await http.get("/readyz")).json.status).toBe("degraded");
  const degraded = await http.get("/readyz");
  expect(degraded.status).toBe(200);
  expect(degraded.json.policies).toMatchObject({
    ok: false,
    problems: [{ path: "policies[0].limit", value: -1 }],
  });
  expect(degraded.json.policies.message).toContain("the last good policies stay in force");
  expect(await policyField()).toBe('"per-key";q=100;w=120');
  await gateway.writePolicies(POLICIES);
  await expect.poll(async () => (await http.get("/readyz")).json.status).toBe("ready");
  expect(await policyField()).toBe('"per-key";q=100;w=60');
  const seen = await gateway.scrape();
  expect(seen("parl_gateway_policy_reloads_total", { result: "ok" })).toBe(2);
  expect(seen("parl_gateway_policy_reloads_total", { result: "failed" })).toBe(1);
  expect(seen("parl_gateway_policy_file_good")).toBe(1);
  expect(gateway.logged).toHaveLength(3);
});

it("is alive and ready", async () => {
  expect(await http.get("/healthz")).toMatchObject({ status: 200, json: { status: "alive" } });
  expect(await http.get("/readyz")).toMatchObject({
    status: 200,
    json: { status: "ready", region: "eu", nats: { ok: true }, actor: { ok: true }, usableRegions: ["eu"] },
  });
});
