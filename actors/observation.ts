/**
 * What `parl.observe.<what>` answers: the state of a key, a policy, a shard or the region, as JSON. Looking
 * changes nothing.
 */
import type { Admission } from "../admission/admission.ts";
import type { Policy } from "../admission/policy.ts";
import { ParlError, type ErrorCode } from "../core/errors.ts";
import { decodeId } from "../core/id.ts";
import { US_PER_MS, type Micros } from "../core/units.ts";
import { jsonMillis, type JsonRequest } from "../core/wire-json.ts";
import type { DecisionTally, TallyLine } from "./decision-tally.ts";
import type { ActorTallies, ProcessTallies, ToldTallies } from "./member-tallies.ts";

/** What the process knows about itself. */
export interface MemberFacts {
  readonly mailboxDepth: number;
  readonly overloaded: number;
  readonly crashes: number;
  /** Messages dropped because the lease was over. */
  readonly fenced: number;
  readonly uptimeMs: number;
  /** Counts per bucket of core/latency-histogram.ts, and their sum. */
  readonly stepLatencyCounts: readonly number[];
  readonly stepLatencySumUs: number;
  /** Why it goes on with other policies than those of its file; absent while it does not. */
  readonly policyProblem?: string;
  readonly tallies: ProcessTallies;
}

/** What the owner of a shard knows about it. */
export interface ShardFacts {
  readonly epoch: number;
  /** Wall time of the moment it became ours. */
  readonly sinceUs: number;
  /** Checks and reports decided since. */
  readonly decided: number;
}

/** A shard in a census. */
export interface OwnedShard extends ShardFacts {
  readonly shard: number;
  readonly keys: number;
  /** Keys that wait to be written into the journal. */
  readonly due: number;
}

export interface MemberObservation extends Omit<MemberFacts, "tallies"> {
  readonly region: string;
  readonly member: string;
  /** Shards of the region. */
  readonly shards: number;
  /** Its clock as it answers, since 1970; absent from what a process of an earlier version says. */
  readonly clockUs?: number;
  readonly owned: readonly OwnedShard[];
  readonly keys: number;
  readonly bytes: number;
  readonly evictedLive: number;
  readonly overflowed: number;
  /**
   * How many tenants have no room for new keys; who they are is for operators only (limited-call.ts). Absent from
   * what a process of an earlier version says.
   */
  readonly fullTenants?: number;
  readonly policies: readonly { readonly name: string; readonly keys: number }[];
  readonly decisions: readonly TallyLine[];
  readonly errors: Partial<Record<ErrorCode, number>>;
  /** Absent from what a process of an earlier version says. */
  readonly tallies?: ToldTallies;
}

export function observeMember(
  about: { region: string; member: string; shards: number; clockUs: number },
  admission: Admission,
  tally: DecisionTally,
  open: readonly (ShardFacts | undefined)[],
  { facts, tallies }: { facts: MemberFacts; tallies: ActorTallies },
): MemberObservation {
  const total = { keys: 0, bytes: 0, evictedLive: 0, overflowed: 0 };
  const owned: OwnedShard[] = [];
  for (const [shard, known] of open.entries()) {
    if (known === undefined) continue;
    const usage = admission.table.usage(shard);
    const { epoch, sinceUs, decided } = known;
    const due = admission.table.journal(shard)?.due ?? 0;
    owned.push({ shard, epoch, sinceUs, decided, keys: usage.keys, due });
    total.keys += usage.keys;
    total.bytes += usage.bytes;
    total.evictedLive += usage.evictedLive;
    total.overflowed += usage.overflowed;
  }
  const policies = admission.policies.policies.map(({ name }, index) => ({
    name,
    keys: admission.table.keysOfPolicy(index),
  }));
  return {
    ...about,
    owned,
    ...total,
    fullTenants: admission.tenants.full().length,
    policies,
    decisions: tally.decisions(),
    errors: tally.errors(),
    ...facts,
    tallies: { ...facts.tallies, ...tallies },
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
    keys: admission.table.keysOfPolicy(index),
  };
}

export function observeShard(
  about: { region: string; member: string; shard: number },
  admission: Admission,
  { epoch, sinceUs, decided }: ShardFacts,
): unknown {
  return { ...about, epoch, sinceUs, decided, ...admission.table.usage(about.shard) };
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
  admission.inspect(cost, nowUs, (index, verdict, isShared) => {
    const policy = admission.policies.policies[index] as Policy;
    policies.push({
      policy: policy.name,
      dimension: policy.dimension,
      algorithm: policy.algorithm,
      limit: policy.limit,
      // What is left before asking: an allowing verdict has already taken the cost off.
      remaining: verdict.remaining + (verdict.outcome === "allowed" ? cost : 0),
      retryAfterMs: jsonMillis(verdict.retryAfterUs),
      // Whether it shares a bucket with other new keys of its tenant, or of everybody when memory is spent.
      overflow: isShared,
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
