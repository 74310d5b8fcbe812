import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { AlgorithmName, AlgorithmParams } from "../../algorithms/algorithm.ts";
import type { Decider } from "../../bench/backend.ts";
import { drive, type DriveOptions } from "../../bench/driver.ts";
import { nameKeys } from "../../bench/events.ts";
import { LocalBackend } from "../../bench/local-backend.ts";
import { RedisBackend, type RedisUse } from "../../bench/redis-backend.ts";
import { RedisNodes } from "../../bench/redis-nodes.ts";
import { micros } from "../../core/units.ts";
import { startRedisServer } from "../harness/redis-server.ts";
import { columns, eventsOf, SMALL_HEADER } from "./small-trace.ts";

const OPTIONS: DriveOptions = { pace: "max", nowUs: () => performance.now() * 1_000 };
const ALONE: RedisUse = { clock: "app", batch: 1, batching: "pipeline" };

let nodes: RedisNodes;
beforeAll(async () => {
  nodes = await RedisNodes.start(2);
});
afterAll(() => nodes[Symbol.asyncDispose]());
beforeEach(() => nodes.clear());

function params(algorithm: AlgorithmName): AlgorithmParams {
  return { algorithm, limit: 10, windowUs: micros(500_000) };
}

function trace() {
  const events = eventsOf(SMALL_HEADER);
  return { events, names: nameKeys(events, SMALL_HEADER.keys) };
}

describe("the Redis backend", () => {
  it.each([
    ["gcra", ALONE],
    ["sliding-log", { ...ALONE, batch: 7 }],
    ["fixed-window", { ...ALONE, batch: 64, batching: "call" }],
  ] as const)("decides as the local one does: %s, %j", async (algorithm, use) => {
    const { events, names } = trace();
    const backend = await RedisBackend.open(nodes, { events, names }, params(algorithm), use);
    const remote = await drive(events, backend, OPTIONS);
    const local = await drive(events, new LocalBackend({ events, names }, params(algorithm), 1), OPTIONS);
    expect(remote.admitted).toEqual(local.admitted);
    expect(remote.denied).toBeGreaterThan(100);
    // On both servers; batches of a server are full but for the last of a thousand.
    for (const redis of nodes.connections) expect(await redis.dbsize()).toBeGreaterThan(0);
    expect(backend.roundTrips).toBeGreaterThanOrEqual(Math.ceil(events.count / use.batch));
    expect(backend.roundTrips).toBeLessThanOrEqual(events.count / use.batch + 2 * (events.count / 1_000 + 1));
  });

  it("accounts for the keys that it holds, and none of them changes a decision", async () => {
    const { events, names } = trace();
    const backend = await RedisBackend.open(nodes, { events, names }, params("gcra"), {
      ...ALONE,
      batch: 64,
    });
    const shares: number[] = [];
    await backend.hold(5_000, events.atUs[0]!, (share) => shares.push(share));
    expect(shares.at(-1)).toBe(1);
    const { admitted } = await drive(events, backend, OPTIONS);
    const local = new LocalBackend({ events, names }, params("gcra"), 1);
    expect(admitted).toEqual((await drive(events, local, OPTIONS)).admitted);
    const { liveKeys, bytesPerKey, redisUsedMem } = await backend.footprint();
    expect(liveKeys).toBe(5_000 + names.length);
    expect(bytesPerKey).toBeGreaterThan(100);
    expect(bytesPerKey).toBeLessThan(300);
    expect(redisUsedMem).toBeGreaterThan(liveKeys * bytesPerKey);
  });

  it("forgets no debt because time passes slower in the trace than in Redis", async () => {
    const [redis] = nodes.connections;
    const brief = { algorithm: "gcra", limit: 1, windowUs: micros(1_000) } as const;
    const events = columns([
      [0, 0, 1],
      [999, 0, 1],
      [1_000, 0, 1],
    ]);
    const backend = await RedisBackend.open(nodes, { events, names: ["key-0"] }, brief, ALONE);
    const allowed: boolean[] = [];
    const sink = { decided: (index: number, isAllowed: boolean) => void (allowed[index] = isAllowed) };
    for (const index of events.key.subarray(0, events.count).keys()) {
      backend.submit(index, index + 1, sink);
      while (allowed[index] === undefined) await backend.turn();
      for (const endMs = performance.now() + 5; performance.now() < endMs;) await redis!.ping();
    }
    expect(allowed).toEqual([true, false, true]);
  });

  it("makes the driver wait while a server owes many answers, and what is due then is late", async () => {
    const server = await startRedisServer();
    try {
      await using one = await RedisNodes.connect([server.url]);
      const count = 12_000;
      const events = columns(Array.from({ length: count }, (_, index) => [index, 0, 1] as const));
      const backend = await RedisBackend.open(one, { events, names: ["key-0"] }, params("gcra"), ALONE);
      let submitted = 0;
      let turns = 0;
      const watched: Decider = {
        submit: (from, to, sink) => {
          submitted = to;
          backend.submit(from, to, sink);
        },
        turn: async () => {
          turns += 1;
          await backend.turn();
        },
      };
      server.pause();
      const driven = drive(events, watched, { ...OPTIONS, pace: "real" });
      await expect.poll(() => submitted, { interval: 1 }).toBeGreaterThan(4_000);
      const before = [turns, submitted];
      await expect.poll(() => performance.now(), { interval: 1 }).toBeGreaterThan(performance.now() + 100);
      expect([turns, submitted]).toEqual(before);
      expect(submitted).toBeLessThanOrEqual(5_000);
      server.resume();
      const { p50Us, admitted } = await driven;
      expect(admitted).toHaveLength(count);
      expect(p50Us).toBeGreaterThan(80_000);
    } finally {
      server.resume();
      await server.stop();
    }
  });

  it("ends a run with the first failure", async () => {
    const server = await startRedisServer();
    try {
      await using one = await RedisNodes.connect([server.url]);
      const { events, names } = trace();
      const backend = await RedisBackend.open(one, { events, names }, params("gcra"), ALONE);
      await server.kill();
      await expect(drive(events, backend, OPTIONS)).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
    } finally {
      await server.stop();
    }
  });
});

describe("somebody else's Redis", () => {
  it("is used only while it is empty, and is empty afterwards", async () => {
    const server = await startRedisServer();
    try {
      const { events, names } = trace();
      await using used = await RedisNodes.connect([server.url]);
      const backend = await RedisBackend.open(used, { events, names }, params("gcra"), ALONE);
      await drive(events, backend, OPTIONS);
      const refused = RedisNodes.connect([server.url]);
      await expect(refused).rejects.toThrow(/^--redis must be an empty database, got "redis:/);
      await used[Symbol.asyncDispose]();
      await using again = await RedisNodes.connect([server.url]);
      expect(await again.keys()).toBe(0);
    } finally {
      await server.stop();
    }
  });
});
