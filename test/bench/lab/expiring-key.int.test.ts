/** The model of a key in Redis and a real one, asked by two callers whose clocks disagree. */
import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ALGORITHMS, type AlgorithmParams } from "../../../algorithms/algorithm.ts";
import { ExpiringKey } from "../../../bench/lab/expiring-key.ts";
import { Prng } from "../../../core/prng.ts";
import { micros, US_PER_MS, US_PER_S } from "../../../core/units.ts";
import { connectRedis } from "../../../lua/redis-connection.ts";
import { RedisLimiter } from "../../../lua/redis-limiter.ts";
import { startRedisServer, type TestRedisServer } from "../../harness/redis-server.ts";

/** Long, so that nothing expires while the test runs. */
const WINDOW_US = micros(1_000 * US_PER_S);
const START_US = 1_700_000_000 * US_PER_S;
const SKEW_US = 60 * US_PER_S;
const ASKS = 400;
/** What the test itself may take, in the life of a key. */
const TEST_MS = 20_000;

let server: TestRedisServer;
let redis: Redis;

beforeAll(async () => {
  server = await startRedisServer();
  redis = await connectRedis(server.url);
});

afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

describe.each(ALGORITHMS)("a key of %s, asked by two clocks", (algorithm) => {
  it("admits in the model what it admits in Redis, and lives as long", async () => {
    const isWindow = algorithm.endsWith("-window") || algorithm === "sliding-log";
    const params: AlgorithmParams = {
      algorithm,
      limit: 20,
      windowUs: WINDOW_US,
      ...(!isWindow && { burst: 5 }),
    };
    await redis.flushall();
    const limiter = new RedisLimiter({ redis, policy: algorithm, params, deadlineMs: 10_000 });
    const key = new ExpiringKey(params);
    const prng = new Prng(7);
    let trueUs = START_US;
    const allowed = { model: 0, denied: 0 };
    for (let ask = 0; ask < ASKS; ask += 1) {
      trueUs += prng.below(40 * US_PER_S);
      const callerUs = trueUs + (prng.ratio(1, 2) ? SKEW_US : -SKEW_US);
      // Redis' clock stands still: the test takes no time.
      const isAllowed = key.ask(callerUs - START_US, START_US);
      const { outcome } = await limiter.check("alice", 1, micros(callerUs));
      expect({ ask, outcome }).toEqual({ ask, outcome: isAllowed ? "allowed" : "denied" });
      allowed[isAllowed ? "model" : "denied"] += 1;
    }
    expect(Math.min(allowed.model, allowed.denied)).toBeGreaterThan(50);
    const [name = ""] = await redis.keys("*");
    const modelMs = (key.expiresUs - START_US) / US_PER_MS;
    const redisMs = await redis.pttl(name);
    expect(redisMs).toBeLessThanOrEqual(modelMs);
    expect(redisMs).toBeGreaterThan(modelMs - TEST_MS);
  });
});
