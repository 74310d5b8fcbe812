import type { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { ParlError } from "../../core/errors.ts";
import { micros } from "../../core/units.ts";
import { scriptNumbers } from "../../lua/limiter-params.ts";
import { connectRedis } from "../../lua/redis-connection.ts";
import { RedisKeys } from "../../lua/redis-keys.ts";
import { RedisScript, type RedisScriptOptions, type ScriptCall } from "../../lua/redis-script.ts";
import { loadScript } from "../../lua/script-loader.ts";
import { ScriptProtocol } from "../../lua/script-protocol.ts";
import { startRedisServer, type TestRedisServer } from "../harness/redis-server.ts";

const PARAMS = { algorithm: "fixed-window", limit: 1_000, windowUs: micros(3_600_000_000) } as const;
const NOW_US = micros(1_700_000_000_000_000);
const LOADED = loadScript("fixed-window");
const PROTOCOL = new ScriptProtocol(LOADED.contract, {
  keys: new RedisKeys("p", PARAMS),
  numbers: { ...scriptNumbers(PARAMS), ttl_min_ms: 600_000 },
  limit: 1_000,
});

let server: TestRedisServer;
let redis: Redis;

beforeEach(async () => {
  server = await startRedisServer();
  redis = await connectRedis(server.url);
});

afterEach(async () => {
  redis.disconnect();
  await server.stop();
});

function scriptOf(change: Partial<RedisScriptOptions> = {}): RedisScript {
  return new RedisScript(redis, LOADED, { deadlineMs: 10_000, inFlightMax: 10_000, ...change });
}

function call(key = "k", cost = 1): ScriptCall {
  return PROTOCOL.pack("check", [{ key, cost, nowUs: NOW_US }]);
}

/** What remains of 1,000 units, as answered. */
function remaining(line: string | ParlError): number {
  if (line instanceof ParlError) throw line;
  return PROTOCOL.read(line).remaining;
}

async function commandCalls(command: string): Promise<number> {
  const stats = await redis.info("commandstats");
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

describe("a script that Redis has not got, or no longer", () => {
  it("is called by its SHA-1 alone once it was loaded", async () => {
    const script = scriptOf();
    await script.load();
    for (let i = 1; i <= 5; i += 1) expect(remaining(await script.run(call()))).toBe(1_000 - i);
    expect([await commandCalls("evalsha"), await commandCalls("eval")]).toEqual([5, 0]);
  });

  it("heals in a plain call, which is charged once", async () => {
    const script = scriptOf();
    expect(remaining(await script.run(call()))).toBe(999);
    await redis.script("FLUSH");
    expect(remaining(await script.run(call()))).toBe(998);
    expect(remaining(await script.run(call()))).toBe(997);
    expect(await commandCalls("eval")).toBe(2);
  });

  it("heals in a pipeline, each call in its place", async () => {
    const script = scriptOf();
    const lines = await script.runAll(["a", "b", "a", "a"].map((key) => call(key)));
    expect(lines.map(remaining)).toEqual([999, 999, 998, 997]);
  });

  it("heals in a pipeline that is sent right behind the flush", async () => {
    const script = scriptOf();
    await script.load();
    const flushed = redis.script("FLUSH");
    const lines = await script.runAll([call(), call(), call()]);
    expect(lines.map(remaining)).toEqual([999, 998, 997]);
    await flushed;
  });

  it("answers whoever asked, whatever else goes by the same connection in the same turn", async () => {
    const script = scriptOf();
    await script.load();
    const asked = [
      redis.echo("first"),
      script.run(call("a", 10)),
      redis.echo("second"),
      script.runAll([call("b", 20), call("a", 1)]),
      redis.echo("third"),
      script.run(call("b", 1)),
    ];
    const answers = await Promise.all(asked);
    const read = (answer: (typeof answers)[number]): unknown =>
      typeof answer !== "string" ? answer.map(remaining) : /^\d/.test(answer) ? remaining(answer) : answer;
    expect(answers.map(read)).toEqual(["first", 990, "second", [980, 989], "third", 979]);
  });

  it("heals under a loop of flushes: nothing fails, nothing is charged twice", async () => {
    const script = scriptOf();
    const other = await connectRedis(server.url);
    const over = new AbortController();
    const flushing = (async () => {
      let flushes = 0;
      for (; !over.signal.aborted; flushes += 1) await other.script("FLUSH");
      return flushes;
    })();
    const left: number[] = [];
    for (let round = 0; round < 30; round += 1) {
      const single = Array.from({ length: 5 }, () => script.run(call()));
      const together = script.runAll(Array.from({ length: 5 }, () => call()));
      const lines = await Promise.all([...single, together]);
      left.push(...lines.flat().map(remaining));
    }
    over.abort();
    expect(await flushing).toBeGreaterThan(10);
    other.disconnect();
    expect(left.toSorted((a, b) => b - a)).toEqual(Array.from({ length: 300 }, (_, i) => 999 - i));
    expect(await commandCalls("eval")).toBeGreaterThan(0);
  });
});

describe("a Redis that is full", () => {
  it("says so by a typed error, and still answers what needs no memory", async () => {
    const script = scriptOf();
    await script.load();
    for (let i = 0; i < 1_000; i += 100) await script.run(call("spent", 100));
    await redis.config("SET", "maxmemory-policy", "noeviction");
    await redis.config("SET", "maxmemory", "1");
    await expect(script.run(call("new"))).rejects.toMatchObject({ code: "PARL_OVERLOADED" });
    const [full, denied] = await script.runAll([call("new"), call("spent")]);
    expect(full).toMatchObject({
      code: "PARL_OVERLOADED",
      message: expect.stringContaining("maxmemory") as string,
    });
    expect(PROTOCOL.read(denied as string).outcome).toBe("denied");
    await redis.config("SET", "maxmemory", "0");
    expect(remaining(await script.run(call("new")))).toBe(999);
    // Only a script that was not there is called twice.
    expect(await commandCalls("eval")).toBe(0);
  });

  it.each(["sliding-log", "gcra", "conservative-window"] as const)(
    "leaves no half-written state of %s behind",
    async (algorithm) => {
      const params = { algorithm, limit: 10, windowUs: micros(60_000_000) };
      const loaded = loadScript(algorithm);
      const protocol = new ScriptProtocol(loaded.contract, {
        keys: new RedisKeys("p", params),
        numbers: { ...scriptNumbers(params), ttl_min_ms: 600_000 },
        limit: 10,
      });
      const script = new RedisScript(redis, loaded, { deadlineMs: 10_000, inFlightMax: 10 });
      const at = (cost: number, laterUs: number): ScriptCall =>
        protocol.pack("check", [{ key: "k", cost, nowUs: micros(NOW_US + laterUs) }]);
      await script.run(at(1, 0));
      await redis.config("SET", "maxmemory", "1");
      await expect(script.run(at(1, 5))).rejects.toMatchObject({ code: "PARL_OVERLOADED" });
      await redis.config("SET", "maxmemory", "0");
      const { remaining: left } = protocol.read(await script.run(at(1, 5)));
      expect(left).toBe(8);
      for (const key of await redis.keys("*")) expect(await redis.pttl(key)).toBeGreaterThan(0);
    },
  );
});

describe("a Redis that does not answer", () => {
  it("costs a call its deadline, and whatever comes later is not heard", async () => {
    const script = scriptOf({ deadlineMs: 50 });
    await script.load();
    server.pause();
    const startedMs = performance.now();
    await expect(script.run(call())).rejects.toMatchObject({ code: "PARL_DEADLINE_EXCEEDED" });
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    await expect(script.runAll([call()])).rejects.toMatchObject({ code: "PARL_DEADLINE_EXCEEDED" });
    server.resume();
    // Both were decided after all: lost answers are unknown, not undone.
    const patient = scriptOf();
    expect(remaining(await patient.run(call("k", 0)))).toBe(998);
  });

  it("is not asked for more than it may owe", async () => {
    const script = scriptOf({ deadlineMs: 50, inFlightMax: 2 });
    await script.load();
    server.pause();
    const late = [script.run(call()), script.run(call())].map((run) =>
      run.catch((error: ParlError) => error.code),
    );
    await expect(script.run(call())).rejects.toMatchObject({ code: "PARL_OVERLOADED" });
    expect(await Promise.all(late)).toEqual(["PARL_DEADLINE_EXCEEDED", "PARL_DEADLINE_EXCEEDED"]);
    // Given up by the callers, but not answered yet.
    await expect(script.run(call())).rejects.toMatchObject({ code: "PARL_OVERLOADED" });
    server.resume();
    await redis.ping();
    expect(remaining(await script.run(call("k", 0)))).toBe(998);
  });

  it("fails calls at once when it is gone, and is found again when it is back", async () => {
    const script = scriptOf({ deadlineMs: 5_000 });
    await script.load();
    const closed = new Promise((resolve) => redis.once("close", resolve));
    const underWay = script.run(call()).catch((error: ParlError) => error.code);
    server.pause();
    const cut = script.run(call()).catch((error: ParlError) => error.code);
    await server.kill();
    await closed;
    expect(await cut).toBe("PARL_UNAVAILABLE");
    await underWay;
    const refused = script.run(call());
    await expect(refused).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
    // It waited for no connection.
    await expect(refused).rejects.toThrow("writeable");
    const ready = new Promise((resolve) => redis.once("ready", resolve));
    const { port } = server;
    await server.stop();
    server = await startRedisServer({ port });
    await ready;
    // Empty, and without the script.
    expect(remaining(await script.run(call()))).toBe(999);
  });
});

it("a Redis that became a replica is left, and asked again once it is a primary", async () => {
  const script = scriptOf();
  await script.load();
  const other = await startRedisServer();
  onTestFinished(() => other.stop());
  const operator = await connectRedis(server.url);
  await operator.call("REPLICAOF", other.host, String(other.port));
  const closed = new Promise((resolve) => redis.once("close", resolve));
  await expect(script.run(call())).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
  // An address may lead to another server after a failover.
  await closed;
  const ready = new Promise((resolve) => redis.once("ready", resolve));
  await operator.call("REPLICAOF", "NO", "ONE");
  await ready;
  expect(remaining(await script.run(call()))).toBe(999);
  operator.disconnect();
});
