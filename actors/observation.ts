/**
 * What `parl.observe.<what>` answers: the state of a key, a policy, a shard or the region, as JSON. Looking
 * changes nothing.
 */
import type { Admission } from "../admission/admission.ts";
import type { Policy } from "../admission/policy.ts";
import { invalidArgument, ParlError, type ErrorCode } from "../core/errors.ts";
import { decodeId } from "../core/id.ts";
import { US_PER_MS, type Micros } from "../core/units.ts";
import { jsonMillis, type JsonRequest } from "../core/wire-json.ts";
import type { DecisionTally, TallyLine } from "./decision-tally.ts";

/** What the process knows about itself. */
export interface RegionFacts {
  readonly mailboxDepth: number;
  readonly overloaded: number;
  readonly crashes: number;
  readonly uptimeMs: number;
  /** Counts per bucket of core/latency-histogram.ts, and their sum. */
  readonly stepLatencyCounts: readonly number[];
  readonly stepLatencySumUs: number;
}

export interface RegionObservation extends RegionFacts {
  readonly region: string;
  readonly epoch: number;
  readonly shards: number;
  readonly keys: number;
  readonly bytes: number;
  readonly evictedLive: number;
  readonly overflowed: number;
  readonly policies: readonly { name: string; keys: number }[];
  readonly decisions: readonly TallyLine[];
  readonly errors: Partial<Record<ErrorCode, number>>;
}

export function observeRegion(
  about: { region: string; epoch: number },
  admission: Admission,
  tally: DecisionTally,
  facts: RegionFacts,
): RegionObservation {
  const total = { keys: 0, bytes: 0, evictedLive: 0, overflowed: 0 };
  for (let shard = 0; shard < admission.shards; shard += 1) {
    const usage = admission.usage(shard);
    total.keys += usage.keys;
    total.bytes += usage.bytes;
    total.evictedLive += usage.evictedLive;
    total.overflowed += usage.overflowed;
  }
  const policies = admission.policies.policies.map(({ name }, index) => ({
    name,
    keys: admission.keysOfPolicy(index),
  }));
  return {
    ...about,
    shards: admission.shards,
    ...total,
    policies,
    decisions: tally.decisions(),
    errors: tally.errors(),
    ...facts,
  };
}

export function observePolicy(region: string, admission: Admission, name: string): unknown {
  const index = admission.policies.policies.findIndex((policy) => policy.name === name);
  if (index < 0) {
    const known = admission.policies.policies.map((policy) => policy.name).join(", ") || "none";
    throw new ParlError("PARL_NOT_FOUND", `no policy is named ${name}; there are: ${known}`, {
      field: "policy",
    });
  }
  return {
    region,
    ...described(admission.policies.policies[index] as Policy),
    keys: admission.keysOfPolicy(index),
  };
}

export function observeShard(
  about: { region: string; epoch: number },
  admission: Admission,
  name: string,
): unknown {
  const shard = Number(name);
  if (!Number.isInteger(shard) || shard < 0 || shard >= admission.shards) {
    throw invalidArgument("shard", `a whole number from 0 to ${admission.shards - 1}`, name);
  }
  return { ...about, shard, ...admission.usage(shard) };
}

/** Every policy that applies to a key, with what is left under it and when one more unit would pass. */
export function observeKey(
  region: string,
  admission: Admission,
  { tenant, user, key, cost }: JsonRequest & { tenant: string },
  nowUs: Micros,
): unknown {
  admission.describe(tenant, user, key);
  const { home } = admission;
  const policies: unknown[] = [];
  admission.inspect(cost, nowUs, (index, verdict) => {
    const policy = admission.policies.policies[index] as Policy;
    policies.push({
      policy: policy.name,
      dimension: policy.dimension,
      algorithm: policy.algorithm,
      limit: policy.limit,
      // What is left before asking: an allowing verdict has already taken the cost off.
      remaining: verdict.remaining + (verdict.outcome === "allowed" ? cost : 0),
      retryAfterMs: jsonMillis(verdict.retryAfterUs),
    });
  });
  const ids = {
    tenant: decodeId(tenant) ?? tenant,
    key: decodeId(key) ?? key,
    user: user === "" ? null : (decodeId(user) ?? user),
  };
  return { region, ...ids, shard: home, policies };
}

function described(policy: Policy): Record<string, unknown> {
  const { name, dimension, match, algorithm, limit, windowUs, burst, subWindows, onFailure } = policy;
  return {
    policy: name,
    dimension,
    match,
    algorithm,
    limit,
    windowMs: windowUs / US_PER_MS,
    burst,
    subWindows,
    onFailure,
  };
}
