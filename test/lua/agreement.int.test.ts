/**
 * The key table and the scripts over the same random histories: every outcome and every number is the same. They
 * share no code. `npm run verify:lua` is the long one, with a generator of its own.
 */
import * as fc from "fast-check";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ALGORITHMS, type AlgorithmParams } from "../../algorithms/algorithm.ts";
import { decideInRedis, decideLocally, differences, WAYS } from "../../bench/lua-agreement.ts";
import { isExactOnBothSides, type Draft } from "../../bench/twin-history.ts";
import { connectRedis } from "../../lua/redis-connection.ts";
import { RedisLimiter } from "../../lua/redis-limiter.ts";
import {
  after,
  anyParams,
  exactParams,
  histories,
  START_US,
  usualGaps,
  type Gap,
  type History,
} from "../algorithms/histories.ts";
import { startRedisServer, type TestRedisServer } from "../harness/redis-server.ts";

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

function gapsBackAndForth(params: AlgorithmParams): fc.Arbitrary<Gap> {
  const back = fc.integer({ min: -1 * params.windowUs, max: -1 }).map((us) => ({ us }));
  return fc.oneof({ weight: 6, arbitrary: usualGaps(params) }, { weight: 1, arbitrary: back });
}

const MODES = { decide: "check", charge: "report", refund: "refund" } as const;

function draftsOf({ steps }: History): Draft[] {
  let nowUs = START_US;
  return steps.map(({ kind, key, cost, gap }) => {
    nowUs = after(nowUs, gap);
    return { mode: MODES[kind], key, cost, nowUs };
  });
}

describe.each(ALGORITHMS)("%s", (algorithm) => {
  it("decides in Redis as in the key table", async () => {
    const params = fc.oneof(exactParams(algorithm), anyParams(algorithm).filter(isExactOnBothSides));
    let decisions = 0;
    await fc.assert(
      fc.asyncProperty(
        histories(params, gapsBackAndForth),
        fc.constantFrom(...WAYS),
        async (history, way) => {
          const decided = decideLocally(history.params, draftsOf(history));
          policies += 1;
          const limiter = new RedisLimiter({
            redis,
            policy: `policy ${policies}`,
            params: history.params,
            deadlineMs: 10_000,
            ttlMinMs: 600_000,
          });
          // Calls under way while a script is missing may overtake each other.
          await limiter.load();
          const questions = decided.map(({ question }) => question);
          const answers = await decideInRedis(limiter, questions, way);
          expect(differences(history.params, decided, answers)).toEqual([]);
          decisions += decided.length;
        },
      ),
      { numRuns: 200 },
    );
    expect(decisions).toBeGreaterThan(2_000);
  });
});

it("leaves no key in Redis that does not expire", async () => {
  const keys = await redis.keys("*");
  expect(keys.length).toBeGreaterThan(1_000);
  const lives = await Promise.all(keys.map((key) => redis.pttl(key)));
  expect(lives.filter((ms) => ms < 0)).toEqual([]);
});
