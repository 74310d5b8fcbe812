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
import type { ParlError } from "../../core/errors.ts";
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
  // Long enough for Redis, which forgets by its own clock, not to forget anything meanwhile; what is reported under a
  // limit of 0 it forgets at once.
  const anyPolicy = fc
    .record({
      algorithm: fc.constantFrom(...ALGORITHMS),
      dimension: fc.constantFrom(...DIMENSIONS),
      limit: fc.integer({ min: 1, max: 30 }),
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
    // Called as a key is.
    user: fc.constantFrom(undefined, "alice"),
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

const ONE = "  - { name: per-key, dimension: key, algorithm: gcra, limit: 100, window: 1h }\n";
const TWO = `${ONE}  - { name: per-org, dimension: org, algorithm: fixed-window, limit: 150, window: 366d }\n`;

describe("an id", () => {
  it("charges a request once whose answer was lost", async () => {
    const limiter = new JointLimiter(redis, { deadlineMs: 50, inFlightMax: 100 });
    const { decider } = deciderOf(policiesOf(TWO), { limiter: () => limiter });
    await decider.check(fields({ cost: 0 }));
    server.pause();
    const lost = decider.report(fields({ cost: 7, id: "r1" }));
    await expect(lost).rejects.toMatchObject({ code: "PARL_DEADLINE_EXCEEDED" });
    expect(decider.faults).toMatchObject({ timeout: 1 });
    server.resume();
    const patient = deciderOf(policiesOf(TWO)).decider;
    for (let i = 0; i < 3; i += 1) {
      expect(await patient.report(fields({ cost: 7, id: "r1" }))).toMatchObject({ remaining: 93 });
    }
    expect(await patient.check(fields({ cost: 0 }))).toMatchObject({ remaining: 93 });
  });

  it("is each tenant's own, and not for another request of the same tenant", async () => {
    const { decider } = deciderOf(policiesOf(ONE));
    await decider.check(fields({ cost: 2, id: "a" }));
    expect(await decider.check(fields({ tenant: "globex", cost: 2, id: "a" }))).toMatchObject({
      remaining: 98,
    });
    for (const other of [{ cost: 3 }, { cost: 2, key: "bob" }, { cost: 2, user: "u1" }]) {
      await expect(decider.check(fields({ ...other, id: "a" }))).rejects.toMatchObject({
        code: "PARL_ID_REUSED",
        field: "id",
      });
    }
    await expect(decider.report(fields({ cost: 2, id: "a" }))).rejects.toMatchObject({ field: "id" });
    expect(await decider.check(fields({ cost: 0 }))).toMatchObject({ remaining: 98 });
    expect(Object.values(decider.faults).every((count) => count === 0)).toBe(true);
  });

  it("of a refused or a peeking request is free again", async () => {
    const { decider, clock } = deciderOf(policiesOf(ONE));
    await decider.check(fields({ cost: 100 }));
    const before = await redis.dbsize();
    expect(await decider.check(fields({ id: "a" }))).toMatchObject({ outcome: "denied" });
    expect(await decider.check(fields({ cost: 0, id: "b" }))).toMatchObject({ allowed: true });
    expect(await redis.dbsize()).toBe(before);
    clock.advanceUs(HOUR_US);
    expect(await decider.check(fields({ id: "a" }))).toMatchObject({ allowed: true, remaining: 99 });
  });

  it("is answered as it was when policies have changed since, and charges nothing anew", async () => {
    const policies = policiesOf(TWO);
    const { decider } = deciderOf(policies);
    const first = await decider.check(fields({ cost: 9, id: "a" }));
    expect(first).toMatchObject({ policy: "per-key", remaining: 91 });
    const third = "  - { name: new, dimension: key, algorithm: sliding-log, limit: 5, window: 1h }\n";
    policies.adopt(parsePolicyText(`version: 1\npolicies:\n${third}${TWO}`, "policies.yaml"));
    expect(await decider.check(fields({ cost: 9, id: "a" }))).toMatchObject({
      policy: "per-key",
      remaining: 91,
    });
    policies.adopt(parsePolicyText(`version: 1\npolicies:\n${third}`, "policies.yaml"));
    expect(await decider.check(fields({ cost: 9, id: "a" }))).toMatchObject({ allowed: true, policy: null });
    expect(await decider.check(fields({ cost: 0 }))).toMatchObject({ policy: "new", remaining: 5 });
  });

  it("is kept for a minute", async () => {
    const { decider } = deciderOf(policiesOf(ONE));
    await decider.check(fields({ id: "a.b" }));
    const [name] = await redis.keys("parl:{acme}:id:*");
    const livesMs = await redis.pttl(name as string);
    expect(livesMs).toBeLessThanOrEqual(60_000);
    expect(livesMs).toBeGreaterThan(50_000);
  });
});

it("decides at the moment Redis reads, once for all policies, when its clock is to decide", async () => {
  const policies = policiesOf(TWO);
  // By this process's clock it is 2023, and no time passes.
  const { decider } = deciderOf(policies, { whose: "redis" });
  await decider.check(fields({ cost: 50 }));
  const [s] = await redis.time();
  const nowUs = Number(s) * US_PER_S;
  const clock = new ManualClock(nowUs);
  const byOurs = deciderOf(policies, { clock }).decider;
  const { remaining } = await byOurs.check(fields({ cost: 0 }));
  expect(remaining).toBe(50);
  clock.advanceUs(HOUR_US / 2);
  // As much came back since, but for what passed between the second and the charge.
  expect((await byOurs.check(fields({ cost: 0 }))).remaining).toBeGreaterThanOrEqual(99);
  expect(await decider.check(fields({ cost: 0 }))).toMatchObject({ policy: "per-key", remaining: 50 });
});

it("has Redis owe no more answers than it may, and tells the rest at once", async () => {
  const limiter = new JointLimiter(redis, { deadlineMs: 300, inFlightMax: 50 });
  const { decider } = deciderOf(policiesOf(TWO), { limiter: () => limiter });
  await decider.check(fields({ cost: 0 }));
  server.pause();
  const codes = await Promise.all(
    Array.from({ length: 20_000 }, () => decider.check(fields()).catch((error: ParlError) => error.code)),
  );
  expect(decider.faults).toMatchObject({ timeout: 50, crowded: 19_950 });
  expect(new Set(codes)).toEqual(new Set(["PARL_DEADLINE_EXCEEDED", "PARL_OVERLOADED"]));
  server.resume();
  // Of all those no more was charged than was sent, and nothing is left behind.
  await expect.poll(() => limiter.script.inFlight).toBe(0);
  const { remaining } = await decider.check(fields({ cost: 0 }));
  expect(remaining).toBeGreaterThanOrEqual(50);
});

it("asks nothing of Redis for a tenant that no policy matches", async () => {
  const limiter = new JointLimiter(redis, { deadlineMs: 1, inFlightMax: 0 });
  const text = ONE.replace("dimension: key,", "dimension: key, match: { tenant: other },");
  const { decider } = deciderOf(policiesOf(text), { limiter: () => limiter });
  expect(await decider.check(fields())).toMatchObject({ allowed: true, policy: null, limit: null });
});
