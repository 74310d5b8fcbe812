/** What becomes of the gateway when its region goes, hangs, comes late or comes back. */
import { afterEach, expect, it } from "vitest";
import { HttpConnection } from "../harness/http-connection.ts";
import { startNatsServer } from "../harness/nats-server.ts";
import { startRegion, startTestActor } from "../harness/region.ts";
import { DEADLINE_MS, openGateway, POLICIES, type OpenedGateway } from "./opened-gateway.ts";

let gateway: OpenedGateway;

afterEach(() => gateway.close());

it("decides by onFailure, marks and counts it, and goes back to the shards when they are back", async () => {
  const region = await startRegion({ policies: POLICIES });
  gateway = await openGateway(region.address);
  expect((await gateway.check("here")).json.blind).toBeUndefined();
  await region.nats.kill();

  const open1 = await gateway.check("anybody");
  expect(open1).toMatchObject({ status: 200, json: { allowed: true, blind: true, policy: null } });
  expect(open1.headers["parl-blind"]).toBe("allow");
  const shut = await gateway.check("shut");
  expect(shut).toMatchObject({ status: 429, json: { outcome: "denied", blind: true, policy: null } });
  expect(shut.headers).toMatchObject({ "parl-blind": "deny", "retry-after": "1" });
  const here = [await gateway.check("here"), await gateway.check("here"), await gateway.check("here")];
  expect(here.map(({ status }) => status)).toEqual([200, 200, 429]);
  expect(here[2]).toMatchObject({ json: { policy: "here", remaining: 0, blind: true } });
  expect(here[2]?.headers).toMatchObject({ "parl-blind": "local", "retry-after": "30" });
  const report = await gateway.http.post("/v1/report", { key: "alice", tokens: 5 });
  expect([503, 504]).toContain(report.status);
  expect((await gateway.http.post("/v1/observe", { what: "region" })).status).toBe(503);

  const seen = await gateway.scrape();
  expect(seen("parl_blind_decisions_total", { mode: "allow" })).toBe(1);
  expect(seen("parl_blind_decisions_total", { mode: "deny" })).toBe(1);
  expect(seen("parl_blind_decisions_total", { mode: "local" })).toBe(3);
  expect(seen("parl_actor_up")).toBe(0);
  expect(seen("parl_actor_keys")).toBeUndefined();
  const unready = await gateway.http.get("/readyz");
  expect(unready).toMatchObject({ status: 503, json: { status: "unready", nats: { ok: false } } });
  expect(unready.json.nats.message).toMatch(/^no NATS server of region eu answers at nats:\/\/127/);
  expect((await gateway.http.get("/healthz")).status).toBe(200);

  const back = await startNatsServer({ port: region.nats.port });
  await expect.poll(async () => (await gateway.http.get("/readyz")).status, { timeout: 5_000 }).toBe(200);
  // The key's debt was kept by the actor, which lived through it.
  await expect.poll(async () => (await gateway.check("here")).json.blind, { timeout: 5_000 }).toBeUndefined();
  await region.stop();
  await back.stop();
});

it("says which part is missing when the actor dies and NATS lives", async () => {
  const region = await startRegion({ policies: POLICIES });
  gateway = await openGateway(region.address);
  expect((await gateway.http.get("/readyz")).status).toBe(200);
  await region.actor.drain();
  expect(await gateway.http.get("/readyz")).toMatchObject({
    status: 503,
    json: {
      status: "unready",
      nats: { ok: true },
      actor: { ok: false, message: "no actor answers in region eu; is it running (npm start)?" },
    },
  });
  expect((await gateway.check("shut")).headers["parl-blind"]).toBe("deny");
  const actor = await startTestActor("eu", region.nats.url, POLICIES);
  expect((await gateway.http.get("/readyz")).status).toBe(200);
  await actor.drain();
  await region.stop();
});

it("answers within its deadline when NATS hangs", async () => {
  const region = await startRegion({ policies: POLICIES });
  gateway = await openGateway(region.address);
  await gateway.check("shut");
  region.nats.pause();
  // The signal takes a moment to arrive.
  await expect.poll(async () => (await gateway.check("shut")).json.blind).toBe(true);
  const startedMs = performance.now();
  const [checked, ready] = await Promise.all([
    gateway.check("shut"),
    new HttpConnection(gateway.url).get("/readyz"),
  ]);
  expect(performance.now() - startedMs).toBeLessThan(DEADLINE_MS * 3);
  expect(checked.headers["parl-blind"]).toBe("deny");
  expect(ready).toMatchObject({ status: 503, json: { actor: { ok: false } } });
  await region.stop();
});

it("falls over to the next region, and home again", async () => {
  const [eu, us] = await Promise.all([
    startRegion({ name: "eu", policies: POLICIES }),
    startRegion({ name: "us", policies: POLICIES }),
  ]);
  gateway = await openGateway(eu.address, us.address);
  await expect.poll(async () => (await gateway.http.get("/readyz")).json.usableRegions).toEqual(["eu", "us"]);
  expect((await gateway.check("anybody")).json.region).toBe("eu");
  await eu.actor.drain();
  expect(await gateway.check("anybody")).toMatchObject({ status: 200, json: { region: "us" } });
  const actor = await startTestActor("eu", eu.nats.url, POLICIES);
  await expect.poll(async () => (await gateway.check("anybody")).json.region).toBe("eu");
  const seen = await gateway.scrape();
  expect(seen("parl_decisions_total", { region: "us" })).toBe(1);
  await actor.drain();
  await Promise.all([eu.stop(), us.stop()]);
});

it("starts before its region, says so, and serves once the region is there", async () => {
  const reserved = await startNatsServer();
  await reserved.stop();
  const { port } = reserved;
  gateway = await openGateway({ name: "eu", servers: [`nats://127.0.0.1:${port}`] });
  expect(await gateway.http.get("/readyz")).toMatchObject({ status: 503, json: { nats: { ok: false } } });
  expect((await gateway.http.get("/allow?key=alice")).headers["parl-blind"]).toBe("allow");
  const nats = await startNatsServer({ port });
  const actor = await startTestActor("eu", nats.url, POLICIES);
  await expect.poll(async () => (await gateway.http.get("/readyz")).status, { timeout: 5_000 }).toBe(200);
  await expect.poll(async () => (await gateway.http.get("/allow?key=alice")).json.blind).toBeUndefined();
  await actor.drain();
  await nats.stop();
});

it("is degraded on a NATS server that is about to end, and ready again when that is back", async () => {
  const nats = await startNatsServer({ more: 'lame_duck_duration: "30s"\nlame_duck_grace_period: "2s"' });
  const actor = await startTestActor("eu", nats.url, POLICIES);
  gateway = await openGateway({ name: "eu", servers: [nats.url] });
  const ready = async (): Promise<unknown> => {
    const { status, json } = await gateway.http.get("/readyz");
    return { status, is: json.status, nats: json.nats };
  };
  const READY = { status: 200, is: "ready", nats: { ok: true } };
  expect(await ready()).toEqual(READY);
  nats.lameDuck();
  const message = `the NATS server of region eu at 127.0.0.1:${nats.port} is about to end (lame duck mode)`;
  await expect.poll(ready).toEqual({ status: 200, is: "degraded", nats: { ok: false, message } });
  await nats.gone;
  expect(await ready()).toMatchObject({ status: 503, is: "unready", nats: { ok: false } });
  const back = await startNatsServer({ port: nats.port, store: nats.store });
  await expect.poll(ready, { timeout: 20_000 }).toEqual(READY);
  await actor.drain();
  await back.stop();
}, 40_000);
