/**
 * The policies in force as Redis is asked about them: which apply to a check, and whose key each looks at.
 *
 *      user    acme.user.u1        only checks that name a user
 *      key     acme.key.alice      only checks that name a key
 *      org     acme._org           every check of the tenant
 *      global  _global             every check
 *
 * A policy that another dimension is given counts other keys, and so do two tenants that call a key alike.
 */
import { PolicyFileError } from "../admission/policy-file-error.ts";
import type { PolicyProblem } from "../admission/policy-problem.ts";
import type { PolicySet } from "../admission/policy-set.ts";
import type { Policy, PolicyDocument } from "../admission/policy.ts";
import { DIMENSIONS } from "../core/decision.ts";
import { ParlError } from "../core/errors.ts";
import { GLOBAL_TOKEN, ORG_TOKEN } from "../core/id.ts";
import { JointPolicy, type JointAsk } from "../lua/joint-limiter.ts";

/** Tenants whose policies are remembered; beyond that the cache starts over. */
const TENANTS_MAX = 4_096;

/** A policy that applies to a tenant. */
interface Applied {
  readonly policy: Policy;
  readonly joint: JointPolicy;
}

export interface RedisAsk extends JointAsk {
  readonly name: string;
  readonly dimension: Policy["dimension"];
}

export class RedisPolicies {
  readonly set: PolicySet;
  readonly #joints: readonly JointPolicy[];
  /** Finest dimension first, by tenant token. */
  readonly #byTenant = new Map<string, readonly Applied[]>();

  /** @throws ParlError for policies that `requireRedisPolicies` refuses */
  constructor(set: PolicySet) {
    this.set = set;
    this.#joints = set.policies.map((policy) => new JointPolicy(policy.name, policy));
  }

  /** What is to be asked about a check, by its tokens; an absent user or key is "". */
  asksOf(tenant: string, user: string, key: string): RedisAsk[] {
    const asks: RedisAsk[] = [];
    for (const { policy, joint } of this.#appliedTo(tenant)) {
      const { name, dimension } = policy;
      const owner = ownerOf(dimension, { tenant, user, key });
      if (owner !== undefined) asks.push({ policy: joint, owner, name, dimension });
    }
    return asks;
  }

  #appliedTo(tenant: string): readonly Applied[] {
    const known = this.#byTenant.get(tenant);
    if (known !== undefined) return known;
    if (this.#byTenant.size >= TENANTS_MAX) this.#byTenant.clear();
    const applied = this.set
      .matching(tenant)
      .map((index) => ({
        policy: this.set.policies[index] as Policy,
        joint: this.#joints[index] as JointPolicy,
      }))
      .toSorted((a, b) => DIMENSIONS.indexOf(a.policy.dimension) - DIMENSIONS.indexOf(b.policy.dimension));
    this.#byTenant.set(tenant, applied);
    return applied;
  }
}

/** Undefined when the check has nobody in this dimension. */
function ownerOf(
  dimension: Policy["dimension"],
  { tenant, user, key }: { readonly tenant: string; readonly user: string; readonly key: string },
): string | undefined {
  switch (dimension) {
    case "user":
      return user === "" ? undefined : `${tenant}.user.${user}`;
    case "key":
      return key === "" ? undefined : `${tenant}.key.${key}`;
    case "org":
      return `${tenant}.${ORG_TOKEN}`;
    case "global":
      return GLOBAL_TOKEN;
  }
}

/**
 * The scripts decide exactly or not at all, and so refuse some numbers that the shards take.
 *
 * @throws PolicyFileError naming each policy that Redis cannot decide by
 */
export function requireRedisPolicies({ policies }: PolicyDocument, source: string): void {
  const problems = policies.flatMap((policy, index) => problemOf(policy, index) ?? []);
  if (problems.length > 0) throw new PolicyFileError(source, problems);
}

function problemOf(policy: Policy, index: number): PolicyProblem | undefined {
  try {
    void new JointPolicy(policy.name, policy);
    return undefined;
  } catch (error) {
    if (!(error instanceof ParlError)) throw error;
    return {
      path: `policies[${index}].${error.field ?? "algorithm"}`,
      value: policy.name,
      rule: "is not possible with Redis behind the gateway",
      fix: error.message,
    };
  }
}
