/**
 * `/readyz` before a Redis: can this gateway do its work, and if not, why?
 *
 *      redis    answers, and takes charges              no ─▶ unready
 *               is full, cannot save, or evicts            ─▶ degraded: some checks end as onFailure says, or it forgets
 *      policies the file on disk is the one in force    no ─▶ degraded: the last good one is, still ready
 */
import type { RedisTrouble } from "../lua/redis-facts.ts";
import { policiesPart, type PartReport, type ReadinessFacts, type ReadinessReport } from "./readiness.ts";

export interface RedisReport extends ReadinessReport {
  readonly redis: PartReport;
}

export interface RedisReadinessFacts extends ReadinessFacts {
  readonly region: string;
  readonly host: string;
  readonly troubles: readonly RedisTrouble[];
}

export function redisReadiness(facts: RedisReadinessFacts): RedisReport {
  const { region, host, troubles, policyError, isDraining } = facts;
  const policies = policiesPart(policyError);
  const redis =
    troubles.length === 0
      ? { ok: true }
      : { ok: false, message: `Redis at ${host}: ${troubles.map(({ message }) => message).join("; ")}` };
  const canServe = !isDraining && !troubles.some(({ isStopped }) => isStopped);
  const status = !canServe ? "unready" : redis.ok && policies.ok ? "ready" : "degraded";
  return { status, region, redis, policies };
}
