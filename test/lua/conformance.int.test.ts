/** The one table of cases, with the state in a real Redis. */
import type { Redis } from "ioredis";
import { afterAll, beforeAll } from "vitest";
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { micros } from "../../core/units.ts";
import { connectRedis } from "../../lua/redis-connection.ts";
import { RedisLimiter } from "../../lua/redis-limiter.ts";
import { runLimiterConformance } from "../conformance/limiter.ts";
import { startRedisServer, type TestRedisServer } from "../harness/redis-server.ts";

const BUCKETS = ["token-bucket", "leaky-bucket", "leaky-queue", "gcra"] as const;

/** An id is never empty. */
const id = (key: string): string => `key ${key}`;

let server: TestRedisServer;
let redis: Redis;
let policies = 0;

beforeAll(async () => {
  server = await startRedisServer();
  redis = await connectRedis(server.url);
});

afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

runLimiterConformance({
  name: "Redis",
  newLimiter: (first) => {
    policies += 1;
    const policy = `policy ${policies}`;
    // The cases live in 2023 and let time pass as they like; Redis' own clock must not take keys away.
    const limiterOf = (params: AlgorithmParams): RedisLimiter =>
      new RedisLimiter({ redis, policy, params, deadlineMs: 10_000, ttlMinMs: 600_000 });
    let limiter = limiterOf(first);
    return {
      decide: (key, cost, nowUs) => limiter.check(id(key), cost, micros(nowUs)),
      report: async (key, cost, nowUs) => void (await limiter.report(id(key), cost, micros(nowUs))),
      refund: async (key, cost, nowUs) => void (await limiter.refund(id(key), cost, micros(nowUs))),
      retune: (params) => {
        limiter = limiterOf(params);
      },
    };
  },
  skip: [
    {
      reason: "refused when the limiter is made: its numbers do not fit a double exactly",
      cases: [...BUCKETS, "sliding-window"].map(
        (algorithm) =>
          `${algorithm}: retryAfter is exact for the largest limit and a rate of no round number`,
      ),
    },
  ],
});
