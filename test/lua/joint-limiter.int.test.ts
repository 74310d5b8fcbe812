import type { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { micros, US_PER_S } from "../../core/units.ts";
import { JointLimiter, JointPolicy, type JointAsk } from "../../lua/joint-limiter.ts";
import { REDIS_ALGORITHMS, type RedisAlgorithm } from "../../lua/limiter-params.ts";
import { connectRedis } from "../../lua/redis-connection.ts";
import { RedisLimiter } from "../../lua/redis-limiter.ts";
import { startRedisServer, type TestRedisServer } from "../harness/redis-server.ts";

const NOW_US = micros(1_700_000_000 * US_PER_S);
const HOUR_US = micros(3_600 * US_PER_S);

let server: TestRedisServer;
let redis: Redis;
let limiter: JointLimiter;

beforeAll(async () => {
  server = await startRedisServer();
  redis = await connectRedis(server.url);
  limiter = new JointLimiter(redis, { deadlineMs: 10_000, inFlightMax: 10_000 });
});

beforeEach(async () => {
  await redis.flushall();
});

afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

function ask(algorithm: RedisAlgorithm, limit: number, owner = "acme.key.k"): JointAsk {
  return { policy: new JointPolicy(algorithm, { algorithm, limit, windowUs: HOUR_US }), owner };
}

it.each(REDIS_ALGORITHMS)("alone, %s decides as its own script does", async (algorithm) => {
  const params = { algorithm, limit: 10, windowUs: HOUR_US };
  const own = new RedisLimiter({ redis, policy: "own", params, deadlineMs: 10_000 });
  for (const [i, cost] of [3, 0, 6, 11, 2, 1, 1].entries()) {
    const nowUs = micros(NOW_US + i * 1_000_003);
    const [verdict] = await limiter.decide([ask(algorithm, 10)], { mode: "check", cost, nowUs });
    expect(verdict).toEqual(await own.check("k", cost, nowUs));
  }
  for (const [mode, cost] of [
    ["report", 25],
    ["refund", 7],
  ] as const) {
    const [verdict] = await limiter.decide([ask(algorithm, 10)], { mode, cost, nowUs: NOW_US });
    expect(verdict).toEqual(await own[mode]("k", cost, NOW_US));
  }
});

it("all eight together are charged or none, and no key is left without a lifetime", async () => {
  const asks = REDIS_ALGORITHMS.map((algorithm, i) => ask(algorithm, 10 + i));
  const first = await limiter.decide(asks, { mode: "check", cost: 7, nowUs: NOW_US });
  expect(first.map((verdict) => verdict?.remaining)).toEqual(asks.map((_, i) => 3 + i));
  const states = await snapshot();
  expect(Object.keys(states)).toHaveLength(asks.length);
  const refused = await limiter.decide(asks, { mode: "check", cost: 5, nowUs: NOW_US });
  // Limits of 10 and 11 have 3 and 4 left, the others 5 and more.
  expect(refused.map((verdict) => verdict?.outcome)).toEqual([
    "denied",
    "denied",
    ...asks.slice(2).map(() => "allowed"),
  ]);
  expect(refused.map((verdict) => verdict?.remaining)).toEqual(asks.map((_, i) => 3 + i));
  expect(await snapshot()).toEqual(states);
  for (const name of Object.keys(states)) expect(await redis.pttl(name)).toBeGreaterThan(0);
});

it("many at once from several connections never charge one without the other", async () => {
  const others = await Promise.all([connectRedis(server.url), connectRedis(server.url)]);
  const limiters = [redis, ...others].map(
    (each) => new JointLimiter(each, { deadlineMs: 10_000, inFlightMax: 1_000 }),
  );
  const wide = ask("fixed-window", 1_000, "acme._org");
  const narrow = (key: number): JointAsk => ask("fixed-window", 20, `acme.key.k${key}`);
  const answers = await Promise.all(
    Array.from({ length: 600 }, (_, i) =>
      (limiters[i % 3] as JointLimiter).decide([narrow(i % 7), wide], {
        mode: "check",
        cost: 1,
        nowUs: NOW_US,
      }),
    ),
  );
  const allowed = answers.filter((verdicts) =>
    verdicts.every((verdict) => verdict?.outcome === "allowed"),
  ).length;
  expect(allowed).toBe(7 * 20);
  const [left] = await limiter.decide([wide], { mode: "check", cost: 0, nowUs: NOW_US });
  expect(left?.remaining).toBe(1_000 - allowed);
  for (const other of others) other.disconnect();
});

it("refuses a cost or moment that is none, and asks nothing of Redis", async () => {
  for (const cost of [-1, 1.5, NaN, 2 ** 31]) {
    const question = { mode: "check", cost, nowUs: NOW_US } as const;
    await expect(limiter.decide([ask("gcra", 5)], question)).rejects.toMatchObject({ field: "cost" });
  }
  const late = { mode: "check", cost: 1, nowUs: micros(2 ** 53 - 1) } as const;
  await expect(limiter.decide([ask("gcra", 5)], late)).rejects.toMatchObject({ field: "nowUs" });
  expect(await redis.dbsize()).toBe(0);
});

/** Everything there is, as bytes. */
async function snapshot(): Promise<Record<string, string>> {
  const names = (await redis.keys("*")).toSorted();
  const states = await Promise.all(names.map((name) => redis.dumpBuffer(name)));
  return Object.fromEntries(names.map((name, i) => [name, states[i]?.toString("hex") ?? ""]));
}
