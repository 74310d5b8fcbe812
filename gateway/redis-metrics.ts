/** What the gateway counts of the Redis behind it, and what that says of itself. */
import { REDIS_FAULTS, type RedisFault } from "../lua/redis-errors.ts";
import type { RedisFacts } from "../lua/redis-facts.ts";
import { single, type MetricFamily } from "../telemetry/metric.ts";

export interface RedisCounts {
  readonly faults: Readonly<Record<RedisFault, number>>;
  /** Calls that brought the script along, because Redis had lost it. */
  readonly heals: number;
  readonly inFlight: number;
  /** Undefined when it did not answer. */
  readonly facts: RedisFacts | undefined;
}

export function redisFamilies({ faults, heals, inFlight, facts }: RedisCounts): MetricFamily[] {
  return [
    single("gauge", "parl_redis_up", "1 when Redis answered this collection.", facts === undefined ? 0 : 1),
    {
      type: "counter",
      name: "parl_redis_faults_total",
      help: "Checks and reports that Redis did not decide, by what was wrong.",
      samples: REDIS_FAULTS.map((fault) => ({ labels: { fault }, value: faults[fault] })),
    },
    single(
      "counter",
      "parl_redis_script_heals_total",
      "Calls that brought the script along because Redis had lost it (SCRIPT FLUSH, restart, failover).",
      heals,
    ),
    single("gauge", "parl_redis_in_flight", "Calls that Redis owes an answer.", inFlight),
    ...(facts === undefined ? [] : factFamilies(facts)),
  ];
}

function factFamilies({ evictedKeys, usedBytes, maxBytes }: RedisFacts): MetricFamily[] {
  return [
    single(
      "counter",
      "parl_redis_evicted_keys_total",
      "Keys that Redis evicted since it was started, anybody's; one of a limiter's has its whole limit again.",
      evictedKeys,
    ),
    single("gauge", "parl_redis_used_bytes", "Memory that Redis uses, for anybody.", usedBytes),
    single("gauge", "parl_redis_max_bytes", "Its maxmemory; 0: none.", maxBytes),
  ];
}
