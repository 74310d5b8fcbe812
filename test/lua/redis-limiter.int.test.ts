import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S, type Micros } from "../../core/units.ts";
import {
  REDIS_ALGORITHMS,
  scriptNumbers,
  type RedisAlgorithm,
  type RedisLimiterParams,
} from "../../lua/limiter-params.ts";
import { connectRedis } from "../../lua/redis-connection.ts";
import { RedisKeys } from "../../lua/redis-keys.ts";
import { RedisLimiter, type RedisLimiterOptions } from "../../lua/redis-limiter.ts";
import { RedisScript } from "../../lua/redis-script.ts";
import { loadScript } from "../../lua/script-loader.ts";
import { ScriptProtocol } from "../../lua/script-protocol.ts";
import { THROTTLED_ROWS } from "../algorithms/throttled-vectors.ts";
import { startRedisServer, type TestRedisServer } from "../harness/redis-server.ts";

const T0 = 1_700_000_040 * US_PER_S;
const WINDOW_US = 10 * US_PER_S;
const BUCKETS: readonly RedisAlgorithm[] = ["token-bucket", "leaky-bucket", "leaky-queue", "gcra"];

let server: TestRedisServer;
let redis: Redis;

beforeAll(async () => {
  server = await startRedisServer();
  redis = await connectRedis(server.url);
});

beforeEach(async () => {
  await redis.flushall();
});

afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

function paramsOf(algorithm: RedisAlgorithm, change: Partial<RedisLimiterParams> = {}): RedisLimiterParams {
  return { algorithm, limit: 10, windowUs: micros(WINDOW_US), ...change };
}

function limiterOf(params: RedisLimiterParams, change: Partial<RedisLimiterOptions> = {}): RedisLimiter {
  return new RedisLimiter({ redis, policy: "p", params, deadlineMs: 10_000, ttlMinMs: 600_000, ...change });
}

/** Everything there is, as bytes: what was not written is the same. */
async function snapshot(): Promise<Record<string, string>> {
  const keys = (await redis.keys("*")).toSorted();
  const states = await Promise.all(
    keys.map(async (key) => (await redis.dumpBuffer(key))?.toString("hex") ?? ""),
  );
  return Object.fromEntries(keys.map((key, i) => [key, states[i] as string]));
}

it.each(BUCKETS)("%s answers the table of throttled and redis-cell", async (algorithm) => {
  const limiter = limiterOf({ algorithm, limit: 1, windowUs: micros(US_PER_S), burst: 5 });
  const answers = [];
  for (const [atS, cost] of THROTTLED_ROWS) {
    const verdict = await limiter.check("k", cost, micros(T0 + atS * US_PER_S));
    const { outcome, remaining, resetAfterUs, retryAfterUs } = verdict;
    answers.push([atS, cost, outcome, remaining, resetAfterUs / US_PER_S, retryAfterUs / US_PER_S]);
  }
  expect(answers).toEqual(THROTTLED_ROWS);
});

describe.each(REDIS_ALGORITHMS)("%s", (algorithm) => {
  it("keeps one key per decision, which expires with what it says", async () => {
    const limiter = limiterOf(paramsOf(algorithm), { ttlMinMs: 1 });
    const { resetAfterUs } = await limiter.check("k", 3, micros(T0 + 1_234_567));
    const [key, ...others] = await redis.keys("*");
    expect(others).toEqual([]);
    const livesMs = await redis.pttl(key as string);
    // A round trip may have passed, never a lifetime added.
    expect(livesMs).toBeLessThanOrEqual(Math.ceil(resetAfterUs / 1_000));
    expect(livesMs).toBeGreaterThan(Math.ceil(resetAfterUs / 1_000) - 2_000);
  });

  it("keeps a key as long as it owes something by Redis' own clock, and no longer", async () => {
    const limiter = limiterOf(paramsOf(algorithm, { windowUs: micros(30_000) }), { ttlMinMs: 1 });
    const beforeUs = await serverUs();
    const { resetAfterUs } = await limiter.check("k", 10);
    const afterUs = await serverUs();
    let aliveUs = beforeUs;
    for (;;) {
      const nowUs = await serverUs();
      if ((await redis.dbsize()) === 0 || (await redis.exists((await redis.randomkey()) ?? "")) === 0) break;
      aliveUs = nowUs;
    }
    expect(await serverUs()).toBeGreaterThanOrEqual(beforeUs + resetAfterUs);
    // Redis' lifetimes are whole milliseconds, from a whole millisecond on.
    expect(aliveUs).toBeLessThanOrEqual(afterUs + resetAfterUs + 2_000);
  });

  it("reads the server's clock when it is told no other", async () => {
    const limiter = limiterOf(paramsOf(algorithm, { windowUs: micros(3_600 * US_PER_S) }));
    const before = await serverUs();
    await limiter.check("k", 4);
    const after = await serverUs();
    const seen = await limiter.check("k", 0, micros(after));
    expect(seen.remaining).toBeLessThanOrEqual(6);
    const charged = limiterOf(paramsOf(algorithm, { windowUs: micros(3_600 * US_PER_S) }), {
      policy: "twin",
    });
    const [early, late] = [
      await charged.check("early", 4, micros(before)).then(() => charged.check("early", 0, micros(after))),
      await charged.check("late", 4, micros(after)),
    ];
    expect(seen.resetAfterUs).toBeGreaterThanOrEqual(Math.min(early.resetAfterUs, late.resetAfterUs));
    expect(seen.resetAfterUs).toBeLessThanOrEqual(Math.max(early.resetAfterUs, late.resetAfterUs));
  });

  it("writes nothing for a peek, a denial, what can never be and what there is not to give back", async () => {
    const limiter = limiterOf(paramsOf(algorithm));
    await limiter.check("new", 0, micros(T0));
    await limiter.refund("new", 3, micros(T0));
    expect(await snapshot()).toEqual({});
    await limiter.check("k", 9, micros(T0));
    const before = await snapshot();
    const outcomes = [];
    for (const cost of [0, 5, 11]) outcomes.push((await limiter.check("k", cost, micros(T0 + 7))).outcome);
    expect(outcomes).toEqual(["allowed", "denied", "unsatisfiable"]);
    await limiter.report("k", 0, micros(T0 + 7));
    await limiter.refund("k", 0, micros(T0 + 7));
    expect(await snapshot()).toEqual(before);
  });

  it("decides a batch as it decides the same asks one by one", async () => {
    const asks = Array.from({ length: 1_024 }, (_, i) => ({
      key: `k${i % 7}`,
      cost: i % 5,
      nowUs: micros(T0 + i * 50_000),
    }));
    const [single, batch, pipeline] = ["single", "batch", "pipeline"].map((policy) =>
      limiterOf(paramsOf(algorithm), { policy }),
    );
    const expected: Verdict[] = [];
    for (const { key, cost, nowUs } of asks) expected.push(await single!.check(key, cost, nowUs));
    expect(new Set(expected.map(({ outcome }) => outcome)).size).toBeGreaterThan(1);
    expect(await batch!.checkBatch(asks)).toEqual(expected);
    expect(await pipeline!.checkPipelined(asks)).toEqual(expected);
  });

  it("answers a report, and a refund, with what a peek then says", async () => {
    const limiter = limiterOf(paramsOf(algorithm));
    const reported = await limiter.report("k", 4, micros(T0));
    expect(reported).toMatchObject({ outcome: "allowed", remaining: 6 });
    expect(await limiter.check("k", 0, micros(T0))).toEqual(reported);
    const refunded = await limiter.refund("k", 3, micros(T0));
    expect(refunded).toMatchObject({ outcome: "allowed", remaining: 9 });
    expect(await limiter.check("k", 0, micros(T0))).toEqual(refunded);
  });

  it("takes its arguments in whatever order its header gives", async () => {
    const use = {
      keys: new RedisKeys("p", paramsOf(algorithm)),
      numbers: { ...scriptNumbers(paramsOf(algorithm)), ttl_min_ms: 600_000 },
      limit: 10,
    };
    const folder = mkdtempSync(join(tmpdir(), "parl-lua-"));
    try {
      turnArgumentsRound(algorithm, folder);
      const script = loadScript(algorithm, folder);
      expect(script.contract.call.at(-1)?.name).toBe("mode");
      const protocol = new ScriptProtocol(script.contract, use);
      const turned = new RedisScript(redis, script, { deadlineMs: 10_000, inFlightMax: 10 });
      const ask = { key: "turned", cost: 3, nowUs: micros(T0) };
      const verdict = protocol.read(await turned.run(protocol.pack("check", [ask])));
      expect(verdict).toEqual(await limiterOf(paramsOf(algorithm)).check("k", 3, micros(T0)));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("refuses arguments that are none, and has decided nothing", async () => {
    const script = loadScript(algorithm);
    const params = paramsOf(algorithm);
    const protocol = new ScriptProtocol(script.contract, {
      keys: new RedisKeys("p", params),
      numbers: { ...scriptNumbers(params), ttl_min_ms: 1 },
      limit: 10,
    });
    const raw = new RedisScript(redis, script, { deadlineMs: 10_000, inFlightMax: 10 });
    const call = protocol.pack("check", [{ key: "k", cost: 1, nowUs: micros(T0) }]);
    const places = { nowUs: call.length - 2, cost: call.length - 1 };
    for (const [place, value] of [
      [places.cost, "-1"],
      [places.cost, "1.5"],
      [places.cost, "nan"],
      [places.cost, "inf"],
      [places.cost, "2147483648"],
      [places.cost, "one"],
      [places.cost, ""],
      [places.nowUs, "-1"],
      [places.nowUs, "1e99"],
      [places.nowUs, "nan"],
      [places.nowUs, "now"],
    ] as const) {
      const wrong = call.with(place, value) as unknown as typeof call;
      await expect(raw.run(wrong), value).rejects.toMatchObject({ code: "PARL_INVALID_ARGUMENT" });
    }
    await expect(raw.run(call.slice(0, -1) as unknown as typeof call)).rejects.toThrow("got nothing");
    expect(await redis.dbsize()).toBe(0);
  });
});

function atMs(ms: number): Micros {
  return micros(T0 + ms * 1_000);
}

/** Redis' clock. */
async function serverUs(): Promise<number> {
  const [s, us] = await redis.time();
  return Number(s) * US_PER_S + Number(us);
}

/** Copies a script with the arguments of its header the other way round. */
function turnArgumentsRound(name: string, folder: string): void {
  const source = join(import.meta.dirname, "../../lua");
  cpSync(join(source, "includes"), join(folder, "includes"), { recursive: true });
  const turned = readFileSync(join(source, `${name}.lua`), "utf8").replaceAll(
    /(?<=^Arguments.*\n)(?: {2}\w.*\n)+/gm,
    (fields) => `${fields.trimEnd().split("\n").toReversed().join("\n")}\n`,
  );
  writeFileSync(join(folder, `${name}.lua`), turned);
}

describe("a changed limit", () => {
  it.each(BUCKETS)("keeps what %s is owed in units, rounded up to a tick", async (algorithm) => {
    const sevenths = paramsOf(algorithm, { limit: 7, windowUs: micros(US_PER_S) });
    await limiterOf(sevenths).check("k", 5, micros(T0));
    await limiterOf(sevenths).report("k", 1, micros(T0 + 100_001));
    // 6 units less 700,007 millionths of one; at four a second a unit takes 250,000 µs, and 74,998.25 are rounded up.
    const fourths = limiterOf({ ...sevenths, limit: 4, burst: 7 });
    const seen = await fourths.check("k", 0, micros(T0 + 100_001));
    expect(seen).toMatchObject({ limit: 4, remaining: 1, resetAfterUs: 5 * 250_000 + 74_999 });
  });

  it.each(BUCKETS)("forgives %s nothing where shares of a unit do not fit a double", async (algorithm) => {
    const windowUs = 3_600_000_000_000;
    const odd = paramsOf(algorithm, { limit: 999_983, windowUs: micros(windowUs), burst: 10 });
    const even = limiterOf({ ...odd, limit: 1_000_000 });
    for (let us = 1; us <= 30; us += 1) {
      const key = `k${us}`;
      await limiterOf(odd).check(key, 9, micros(T0));
      await limiterOf(odd).check(key, 1, micros(T0 + us * 7_919));
      const { resetAfterUs } = await even.check(key, 0, micros(T0 + us * 7_919));
      // A unit was 3.6·10^12 ticks and is 3.6·10^6 microseconds.
      const debt = 10n * BigInt(windowUs) - BigInt(us * 7_919 * 999_983);
      const exactUs = Number((debt + 999_999n) / 1_000_000n);
      expect([exactUs, exactUs + 1]).toContain(resetAfterUs);
    }
  });
});

it.each(BUCKETS)("%s owes at most twice what it holds, however much is reported", async (algorithm) => {
  const limiter = limiterOf(paramsOf(algorithm));
  const { limit } = paramsOf(algorithm);
  expect((await limiter.report("k", 2 * limit - 1, micros(T0))).resetAfterUs).toBe(
    (2 * limit - 1) * US_PER_S,
  );
  for (let i = 0; i < 3; i += 1) {
    const { resetAfterUs } = await limiter.report("k", 2 ** 31 - 1, micros(T0));
    expect(resetAfterUs).toBe(2 * limit * US_PER_S);
  }
});

it("lifetimes are whole milliseconds that cover what they are for, and never 0", async () => {
  const folder = mkdtempSync(join(tmpdir(), "parl-lua-"));
  const header = readFileSync(join(import.meta.dirname, "../../lua/gcra.lua"), "utf8").split(
    "]]",
  )[0] as string;
  mkdirSync(join(folder, "includes"));
  writeFileSync(
    join(folder, "includes/lifetime.lua"),
    readFileSync(join(import.meta.dirname, "../../lua/includes/lifetime.lua")),
  );
  const numbers = "local kept_us, ttl_min_ms = ARGV[1] + 0, ARGV[2] + 0";
  const body = `${numbers}\n--- @include "lifetime"\nreturn ttl_ms\n`;
  writeFileSync(join(folder, "test.lua"), `${header}]]\n${body}`);
  const { text } = loadScript("test", folder);
  rmSync(folder, { recursive: true });
  for (const [us, leastMs, ms] of [
    [0, 1, "1"],
    [1, 1, "1"],
    [1_000, 1, "1"],
    [1_001, 1, "2"],
    [1_999.5, 1, "2"],
    [1_001, 600, "600"],
    [600_001, 600, "601"],
    // Written out: what reads like 1e+11 is refused by some servers.
    [100_000_000_000_000, 1, "100000000000"],
    [2 ** 52, 1, "4503599627371"],
  ] as const) {
    expect([us, await redis.eval(text, 0, String(us), String(leastMs))]).toEqual([us, ms]);
  }
});

describe("sliding-log", () => {
  it("forgets what left the window when it next admits something", async () => {
    const limiter = limiterOf(paramsOf("sliding-log", { limit: 1_000 }));
    for (let ms = 0; ms < 100; ms += 1) await limiter.check("k", 1, atMs(ms));
    const [key] = (await redis.keys("*")) as [string];
    expect(await redis.llen(key)).toBe(201);
    await limiter.check("k", 1, atMs(10_049));
    // What was admitted in the first 50 ms has gone.
    expect(await redis.llen(key)).toBe(1 + 2 * 51);
    await limiter.check("k", 1, atMs(90_000));
    expect(await redis.llen(key)).toBe(3);
  });

  it("remembers a microsecond once, however much happens in it", async () => {
    const limiter = limiterOf(paramsOf("sliding-log", { limit: 1_000 }));
    for (let i = 0; i < 50; i += 1) await limiter.check("k", 2, atMs(0));
    const [key] = (await redis.keys("*")) as [string];
    expect(await redis.llen(key)).toBe(3);
    expect(await limiter.check("k", 0, atMs(0))).toMatchObject({ remaining: 900 });
  });

  it("reads a few places of a long log to refuse, not all of it", async () => {
    const limiter = limiterOf(paramsOf("sliding-log", { limit: 20_000 }));
    const asks = Array.from({ length: 20_000 }, (_, i) => ({ key: "k", cost: 1, nowUs: micros(T0 + i) }));
    for (let from = 0; from < asks.length; from += 2_000)
      await limiter.checkBatch(asks.slice(from, from + 2_000));
    await redis.config("RESETSTAT");
    const denied = await limiter.check("k", 15_000, micros(T0 + 30_000));
    expect(denied).toMatchObject({ outcome: "denied", retryAfterUs: WINDOW_US - 30_000 + 14_999 });
    const stats = await redis.info("commandstats");
    expect(Number(/cmdstat_lindex:calls=(\d+)/.exec(stats)?.[1])).toBeLessThan(40);
    expect(stats).toMatch(/cmdstat_lrange:calls=2/);
  });
});

it("nothing is asked of Redis for nothing", async () => {
  const limiter = limiterOf(paramsOf("gcra"));
  expect(await limiter.checkBatch([])).toEqual([]);
  expect(await limiter.checkPipelined([])).toEqual([]);
});

it("two clients whose clocks differ share one limit", async () => {
  for (const algorithm of REDIS_ALGORITHMS) {
    const limiter = limiterOf(paramsOf(algorithm), { policy: algorithm });
    let admitted = 0;
    for (let i = 0; i < 40; i += 1) {
      // One is in the next window already.
      const skewUs = i % 2 === 0 ? 2 * US_PER_S : -2 * US_PER_S;
      const verdict = await limiter.check("k", 1, micros(T0 + WINDOW_US + i + skewUs));
      if (verdict.outcome === "allowed") admitted += 1;
    }
    expect([algorithm, admitted]).toEqual([algorithm, 10]);
  }
});
