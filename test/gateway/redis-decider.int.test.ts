/** Checks under several policies at once, their state in a real Redis, beside the shards' own decisions. */
import * as fc from "fast-check";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { Admission } from "../../admission/admission.ts";
import type { Policy } from "../../admission/policy.ts";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { ManualClock } from "../../core/clock.ts";
import { DIMENSIONS } from "../../core/decision.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import type { CheckFields } from "../../gateway/check-fields.ts";
import { PoliciesInForce } from "../../gateway/policies-in-force.ts";
import { RedisDecider, type RedisDeciderOptions } from "../../gateway/redis-decider.ts";
import { JointLimiter } from "../../lua/joint-limiter.ts";
import { connectRedis } from "../../lua/redis-connection.ts";
import { startRedisServer, type TestRedisServer } from "../harness/redis-server.ts";

const HOUR_US = 3_600 * US_PER_S;

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

function deciderOf(policies: PoliciesInForce, change: Partial<RedisDeciderOptions> = {}) {
  const clock = new ManualClock();
  const limiter = new JointLimiter(redis, { deadlineMs: 10_000, inFlightMax: 100 });
  const options = { region: "redis", policies, clock, whose: "app", limiter: () => limiter } as const;
  return { decider: new RedisDecider({ ...options, ...change }), clock };
}

function policiesOf(text: string): PoliciesInForce {
  return new PoliciesInForce(parsePolicyText(`version: 1\npolicies:\n${text}`, "policies.yaml"));
}

function fields(change: Partial<CheckFields> = {}): CheckFields {
  return { tenant: "acme", key: "alice", cost: 1, tier: "approximate", ...change };
}

describe("a check under several policies", () => {
  // Long enough for Redis, which forgets by its own clock, not to forget anything meanwhile.
  const anyPolicy = fc
    .record({
      algorithm: fc.constantFrom(...ALGORITHMS),
      dimension: fc.constantFrom(...DIMENSIONS),
      limit: fc.integer({ min: 0, max: 30 }),
      windowUs: fc.constantFrom(HOUR_US, 7 * HOUR_US).map(micros),
      burst: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
      subWindows: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
    })
    .map(({ burst, subWindows, ...same }) => ({
      ...same,
      ...(["token-bucket", "leaky-bucket", "leaky-queue", "gcra"].includes(same.algorithm) &&
        burst !== undefined && { burst }),
      ...(same.algorithm === "conservative-window" && subWindows !== undefined && { subWindows }),
    }));
  const anyStep = fc.record({
    verb: fc.constantFrom("check", "check", "check", "report"),
    tenant: fc.constantFrom("acme", "globex"),
    key: fc.constantFrom("alice", "bob"),
    user: fc.constantFrom(undefined, "u1"),
    cost: fc.integer({ min: 0, max: 9 }),
    gapUs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: HOUR_US }), fc.constant(HOUR_US)),
  });

  it("is decided as the shards decide it: all are charged or none, and the same policy answers", async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyPolicy, { minLength: 1, maxLength: 5 }),
        fc.array(anyStep, { minLength: 1, maxLength: 30 }),
        async (drawn, steps) => {
          await redis.flushall();
          const policies = drawn.map((policy, i): Policy => {
            return { ...policy, name: `p${i}`, match: {}, onFailure: "deny" };
          });
          const inForce = new PoliciesInForce({ policies, plans: new Map() });
          const { decider, clock } = deciderOf(inForce);
          const shards = Admission.whole({
            shards: 4,
            secret: { high: 1, low: 2 },
            policies: inForce.set,
            budget: new MemoryBudget(2 ** 24),
          });
          for (const { verb, gapUs, user, ...step } of steps) {
            clock.advanceUs(gapUs);
            const answer = await decider[verb](fields({ ...step, ...(user !== undefined && { user }) }));
            shards.describe(step.tenant, user ?? "", step.key);
            shards[verb === "check" ? "decide" : "report"](step.cost, clock.wallUs());
            const tightest = inForce.set.policies[shards.tightest];
            const { outcome, limit, remaining, retryAfterUs, resetAfterUs, delayUs } = shards.verdict;
            expect(answer).toMatchObject({
              allowed: outcome === "allowed",
              outcome,
              retryAfterUs,
              resetAfterUs,
              delayUs,
              limit: tightest === undefined ? null : limit,
              remaining: tightest === undefined ? null : remaining,
              policy: tightest?.name ?? null,
              dimension: tightest?.dimension ?? null,
            });
            if (outcome !== "allowed" && drawn.length > 1) refused += 1;
          }
        },
      ),
      { numRuns: 150 },
    );
    expect(refused).toBeGreaterThan(100);
  });
});
