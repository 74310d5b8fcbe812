import { expect, it } from "vitest";
import { redisReadiness, type RedisReadinessFacts } from "../../gateway/redis-readiness.ts";

function report(change: Partial<RedisReadinessFacts> = {}) {
  const host = "127.0.0.1:6379";
  return redisReadiness({
    region: "redis",
    host,
    troubles: [],
    policyError: undefined,
    isDraining: false,
    ...change,
  });
}

it("is ready with a Redis in no trouble", () => {
  expect(report()).toEqual({
    status: "ready",
    region: "redis",
    redis: { ok: true },
    policies: { ok: true },
  });
});

it("is degraded by what lets checks be decided, and unready by what does not; all of it is said", () => {
  const evicts = { isStopped: false, message: "it evicts" };
  const replica = { isStopped: true, message: "it is a replica" };
  expect(report({ troubles: [evicts] }).status).toBe("degraded");
  const both = report({ troubles: [replica, evicts] });
  expect(both.status).toBe("unready");
  expect(both.redis).toEqual({ ok: false, message: "Redis at 127.0.0.1:6379: it is a replica; it evicts" });
});

it("is degraded while the last good policies stay in force, and unready while it ends", () => {
  const broken = report({ policyError: new Error("no") });
  expect([broken.status, broken.redis, broken.policies.ok]).toEqual(["degraded", { ok: true }, false]);
  expect(report({ isDraining: true }).status).toBe("unready");
});
