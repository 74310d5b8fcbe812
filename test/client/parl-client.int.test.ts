import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Failure, OnFailure } from "../../client/check.ts";
import { connectParl } from "../../client/parl-client.ts";
import { ParlError } from "../../core/errors.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";
import { startRegion, type TestRegion } from "../harness/region.ts";
import { allow, allowNext, HandDrivenShards, replyOf, type ReceivedFrame } from "./hand-driven-shards.ts";

/** For what takes other processes a moment. */
const WAIT = { timeout: 8_000, interval: 10 };
const ALL_FRAMES = "parl.shard.*.pack.*";

let nats: TestNatsServer;
let peer: NatsConnection;

beforeAll(async () => {
  nats = await startNatsServer();
  peer = await connect({ servers: nats.url });
});

afterAll(async () => {
  await peer.close();
  await nats.stop();
});

function client(options: Partial<Parameters<typeof connectParl>[0]> = {}) {
  return connectParl({ regions: [{ name: "eu", servers: [nats.url] }], deadlineMs: 100, ...options });
}

describe("ParlClient", () => {
  it("rejects the check when onFailure itself throws, and goes on working", { timeout: 5_000 }, async () => {
    const parl = await client({
      onFailure: () => {
        throw new Error("a mistake in onFailure");
      },
    });
    // Nobody answers; then somebody who says nothing.
    await expect(parl.check({ key: "a" })).rejects.toThrow("a mistake in onFailure");
    const silent = peer.subscribe(ALL_FRAMES, { callback: () => undefined });
    await peer.flush();
    await expect(parl.check({ key: "a" })).rejects.toThrow("a mistake in onFailure");
    silent.unsubscribe();
    await peer.flush();
    await expect(parl.check({ key: "a" })).rejects.toThrow("a mistake in onFailure");
    expect(parl.inFlight).toBe(0);
    await parl.close();
  });

  it.each([
    ["request", null],
    ["request", undefined],
    ["request", "alice"],
    ["request", 5],
    ["key", []],
    ["key", {}],
    ["key", { tenant: "acme" }],
    ["key", { key: "" }],
    ["key", { key: 5 }],
    ["key", { key: null }],
    ["key", { key: ["a"] }],
    ["user", { key: "a", user: 7 }],
    ["key", { key: {}, user: "u" }],
    ["tenant", { key: "a", tenant: 5 }],
    ["id", { key: "a", id: 5 }],
    ["deadlineMs", { key: "a", deadlineMs: Number.NaN }],
    ["deadlineMs", { key: "a", deadlineMs: -1 }],
    ["deadlineMs", { key: "a", deadlineMs: Infinity }],
    ["deadlineMs", { key: "a", deadlineMs: "100" }],
  ])("names %s when it is of the wrong kind: %j", async (field, request) => {
    const parl = await client();
    for (const verb of ["check", "report"] as const) {
      const answer = parl[verb](request as object);
      await expect(answer).rejects.toBeInstanceOf(ParlError);
      await expect(answer).rejects.toMatchObject({ code: "PARL_INVALID_ARGUMENT", field });
    }
    expect(parl.inFlight).toBe(0);
    await parl.close();
  });
});

describe("a check that nobody answers", () => {
  it.each<[OnFailure, object]>([
    ["allow", { allowed: true, outcome: "allowed", blind: true, policy: null, remaining: null, region: "" }],
    ["deny", { allowed: false, outcome: "denied", blind: true, retryAfterUs: 0 }],
    [({ request }) => request.key === "a", { allowed: true, blind: true }],
    [({ error }) => error.code !== "PARL_UNAVAILABLE", { allowed: false, blind: true }],
  ])("is answered by onFailure %s, and counted", async (onFailure, answer) => {
    const parl = await client({ onFailure });
    expect(await parl.check({ key: "a" })).toMatchObject(answer);
    expect(parl.blindDecisions).toBe(1);
    await parl.close();
  });

  it("rejects at once, without waiting for the deadline", { timeout: 5_000 }, async () => {
    const parl = await client({ deadlineMs: 60_000 });
    await expect(parl.check({ key: "a" })).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
    await parl.close();
  });

  it("is not let through by onFailure when the caller is at fault", async () => {
    const parl = await client({ onFailure: "allow" });
    await expect(parl.check({ key: "a", cost: -1 })).rejects.toMatchObject({ field: "cost" });
    expect(parl.blindDecisions).toBe(0);
    await parl.close();
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 31, 2 ** 53, "1", null])(
    "names the cost when it is %s",
    async (cost) => {
      const parl = await client();
      await expect(parl.check({ key: "a", cost: cost as number })).rejects.toMatchObject({ field: "cost" });
      await parl.close();
    },
  );
});

describe("a client with much under way", () => {
  it("takes no more than maxInFlight, and says so at once", async () => {
    const shards = await HandDrivenShards.on(nats.url);
    const parl = await client({ maxInFlight: 2, deadlineMs: 5_000 });
    const accepted = [parl.check({ key: "a" }), parl.check({ key: "a" })];
    await expect(parl.check({ key: "a" })).rejects.toMatchObject({ code: "PARL_OVERLOADED" });
    expect(parl.inFlight).toBe(2);
    await shards.untilFrames(1);
    allow(shards.frames[0] as ReceivedFrame);
    await Promise.all(accepted);
    shards.onFrame = allow;
    expect(await parl.check({ key: "a" })).toMatchObject({ allowed: true });
    await parl.close();
    await shards.close();
  });

  it("keeps no timer waiting, however fast somebody asks again who is refused", async () => {
    const parl = await client({ maxInFlight: 0 });
    const timer = { isOver: false };
    let refused = 0;
    setTimeout(() => (timer.isOver = true), 1);
    while (!timer.isOver) await parl.check({ key: "a" }).catch(() => (refused += 1));
    expect(refused).toBeGreaterThan(0);
    await parl.close();
  });

  it("sends what it has taken when it closes, fails what is unanswered, and takes no more", async () => {
    const shards = await HandDrivenShards.on(nats.url);
    const failures: Failure[] = [];
    const onFailure = (failure: Failure): boolean => failures.push(failure) > 0;
    const parl = await client({ deadlineMs: 60_000, onFailure });
    const unanswered = parl.check({ key: "a" });
    await shards.untilFrames(1);
    const unsent = parl.check({ key: "b" });
    await parl.close();
    expect(await Promise.all([unanswered, unsent])).toMatchObject([{ blind: true }, { blind: true }]);
    await shards.untilFrames(2);
    await parl.check({ key: "c" });
    expect(failures.map(({ request, error }) => [request.key, error.code])).toEqual([
      ["a", "PARL_UNAVAILABLE"],
      ["b", "PARL_UNAVAILABLE"],
      ["c", "PARL_UNAVAILABLE"],
    ]);
    expect(parl.inFlight).toBe(0);
    await parl.close();
    await shards.close();
  });
});

const POLICIES = `
version: 1
policies:
  - { name: ten-a-year, dimension: key, algorithm: fixed-window, limit: 10, window: 366d }
`;

describe("a client of two regions", () => {
  let eu: TestRegion;
  let us: TestRegion;

  beforeAll(async () => {
    [eu, us] = await Promise.all([
      startRegion({ name: "eu", policies: POLICIES }),
      startRegion({ name: "us", policies: POLICIES }),
    ]);
  });

  afterAll(async () => {
    await Promise.all([eu.stop(), us.stop()]);
  });

  it("asks at home, and in the next region at once when nobody answers there", async () => {
    const empty = { name: "empty", servers: [nats.url] };
    const home = await connectParl({ regions: [eu.address, us.address], deadlineMs: 5_000 });
    expect(await home.check({ key: "a" })).toMatchObject({ region: "eu", remaining: 9, blind: false });
    const away = await connectParl({ regions: [empty, us.address], deadlineMs: 5_000 });
    await expect.poll(() => away.usableRegions(), WAIT).toEqual(["empty", "us"]);
    expect(await away.check({ key: "a" })).toMatchObject({ region: "us", remaining: 9, blind: false });
    await Promise.all([home.close(), away.close()]);
  });

  it("tells every check of one message its own: answered, moved, refused, or asked in the next region", async () => {
    const shards = await HandDrivenShards.on(nats.url);
    const home = { name: "home", servers: [nats.url] };
    const parl = await connectParl({ regions: [home, us.address], deadlineMs: 5_000 });
    await expect.poll(() => parl.usableRegions(), WAIT).toEqual(["home", "us"]);
    shards.onFrame = (frame) => {
      if (frame.count === 1) return allow(frame);
      const reply = replyOf((writer) => {
        allowNext(writer);
        writer.error(new ParlError("PARL_OVERLOADED", "full", { retryAfterMs: 5 }));
        writer.error(new ParlError("PARL_ID_REUSED", "another cost"));
        writer.moved(9);
        allowNext(writer);
      });
      frame.message.respond(reply);
    };
    // The caller's object may change once the check is on its way; all go by their user, to one shard.
    const request = { user: "mixed", key: "" };
    const answers = ["allowed", "overloaded", "refused", "moved", "last", "unanswered"].map((key) =>
      parl.check(Object.assign(request, { key })),
    );
    const [allowed, overloaded, refused, moved, last, unanswered] = await Promise.allSettled(answers);
    expect(allowed).toMatchObject({ value: { region: "home", sequence: 3, decidedUs: 2 } });
    expect(overloaded).toMatchObject({ value: { region: "us", remaining: 9, blind: false } });
    expect(refused).toMatchObject({ reason: { code: "PARL_ID_REUSED", message: "another cost" } });
    expect(moved).toMatchObject({ value: { region: "home", sequence: 3 } });
    expect(last).toMatchObject({ value: { region: "home", sequence: 7 } });
    expect(unanswered).toMatchObject({ reason: { code: "PARL_INTERNAL" } });
    expect(shards.frames.map(({ count }) => count)).toEqual([6, 1]);
    expect(shards.frames[1]).toMatchObject({ keys: ["moved"], subject: "parl.shard.9.pack.default" });
    expect(parl.inFlight).toBe(0);
    // Charged in the next region was the key asked for, and no other.
    const left = async (key: string) => (await next.check({ key, cost: 0 })).remaining;
    const next = await connectParl({ regions: [us.address] });
    expect([await left("overloaded"), await left("unanswered")]).toEqual([9, 10]);
    await Promise.all([parl.close(), next.close(), shards.close()]);
  });

  it("does not repeat a check elsewhere whose answer was lost", async () => {
    const shards = await HandDrivenShards.on(nats.url);
    const silent = { name: "silent", servers: [nats.url] };
    const parl = await connectParl({ regions: [silent, us.address], deadlineMs: 100 });
    await expect.poll(() => parl.usableRegions(), WAIT).toEqual(["silent", "us"]);
    await expect(parl.check({ key: "lost", cost: 3 })).rejects.toMatchObject({
      code: "PARL_DEADLINE_EXCEEDED",
    });
    expect(shards.frames.length).toBe(1);
    const next = await connectParl({ regions: [us.address] });
    expect(await next.check({ key: "lost", cost: 0 })).toMatchObject({ remaining: 10 });
    await Promise.all([parl.close(), next.close(), shards.close()]);
  });

  it("does not repeat a check elsewhere that was under way when its region was killed", async () => {
    const doomed = await startNatsServer();
    const shards = await HandDrivenShards.on(doomed.url);
    const regions = [{ name: "doomed", servers: [doomed.url] }, us.address];
    const parl = await connectParl({ regions, deadlineMs: 20_000 });
    await expect.poll(() => parl.usableRegions(), WAIT).toEqual(["doomed", "us"]);
    const unknown = expect(parl.check({ key: "cut off", cost: 3 })).rejects.toMatchObject({
      code: "PARL_DEADLINE_EXCEEDED",
    });
    await shards.untilFrames(1);
    await doomed.kill();
    await unknown;
    expect(await parl.check({ key: "cut off", cost: 0 })).toMatchObject({ region: "us", remaining: 10 });
    await Promise.all([parl.close(), shards.close(), doomed.stop()]);
  });

  it("charges a check with an id once, however often it is asked", async () => {
    const parl = await connectParl({ regions: [eu.address] });
    const request = { key: "once", cost: 4, id: "order 7" };
    const answers = [
      await parl.check(request),
      ...(await Promise.all([parl.check(request), parl.check(request)])),
    ];
    expect(answers.map(({ remaining }) => remaining)).toEqual([6, 6, 6]);
    expect(await parl.report({ ...request, id: "r" })).toMatchObject({ remaining: 2 });
    expect(await parl.report({ ...request, id: "r" })).toMatchObject({ remaining: 2 });
    await expect(parl.check({ ...request, cost: 5 })).rejects.toMatchObject({
      code: "PARL_ID_REUSED",
      field: "id",
    });
    await parl.close();
  });

  it("charges a retry after a lost answer once", async () => {
    const request = { key: "retried", cost: 4, id: "order 8" };
    const hasty = await connectParl({ regions: [eu.address] });
    // Charged, but nobody waited for the answer.
    const lost = hasty.check(request);
    await hasty.close();
    await expect(lost).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
    const parl = await connectParl({ regions: [eu.address] });
    const left = async () => (await parl.check({ key: "retried", cost: 0 })).remaining;
    await expect.poll(left, WAIT).toBe(6);
    expect(await parl.check(request)).toMatchObject({ remaining: 6 });
    expect(await left()).toBe(6);
    await parl.close();
  });

  it("goes to the next region when its own is killed, back when it returns, and joins one that starts late", async () => {
    const home = await startRegion({ name: "home", policies: POLICIES });
    const parl = await connectParl({ regions: [home.address, us.address], deadlineMs: 2_000 });
    await expect.poll(() => parl.usableRegions(), WAIT).toEqual(["home", "us"]);
    expect(await parl.check({ key: "b" })).toMatchObject({ region: "home" });
    await home.nats.kill();
    await expect.poll(() => parl.usableRegions(), WAIT).toEqual(["us"]);
    expect(await parl.check({ key: "b" })).toMatchObject({ region: "us", blind: false });
    // One that knows the region only as a dead one.
    const late = await connectParl({ regions: [home.address, us.address], deadlineMs: 2_000 });
    expect(await late.check({ key: "b" })).toMatchObject({ region: "us" });
    const again = await startNatsServer({ port: home.nats.port });
    for (const each of [parl, late]) {
      await expect.poll(() => each.usableRegions(), WAIT).toEqual(["home", "us"]);
      const region = async () => (await each.check({ key: "b" })).region;
      await expect.poll(region, WAIT).toBe("home");
    }
    await Promise.all([parl.close(), late.close(), home.actor.drain()]);
    await Promise.all([again.stop(), home.nats.stop()]);
  });

  it("says which region does not answer, when none does", async () => {
    const regions = [9, 10].map((port) => ({ name: `r${port}`, servers: [`nats://127.0.0.1:${port}`] }));
    await expect(connectParl({ regions })).rejects.toMatchObject({
      code: "PARL_UNAVAILABLE",
      field: "regions",
      message: "region r9 does not answer at nats://127.0.0.1:9; is it running (npm start)?",
    });
    await expect(connectParl({ regions: [] })).rejects.toMatchObject({ field: "regions" });
  });
});
