/**
 * The policies in force, ready to be asked: which of them apply to a tenant?
 *
 * A set is immutable; a reload makes a new one with a higher revision, and shards take over their keys by
 * policy name (shard-keys.ts). Matching a tenant walks all policies once and is remembered by whoever asks
 * (tenant-view.ts), so a decision never matches anything.
 */
import type { FailureMode, KeysMax, Policy, PolicyDocument } from "./policy.ts";

export class PolicySet {
  readonly policies: readonly Policy[];
  /** Grows with every reload of one process. */
  readonly revision: number;
  readonly #plans: ReadonlyMap<string, string>;
  readonly #keysMax: KeysMax | undefined;

  constructor(document: PolicyDocument, revision: number) {
    this.policies = document.policies;
    this.revision = revision;
    this.#plans = document.plans;
    this.#keysMax = document.keysMax;
  }

  /** Indices into `policies` of those that apply to a tenant token, in file order. */
  matching(tenant: string): number[] {
    const plan = this.#plans.get(tenant);
    const indices: number[] = [];
    for (const [index, { match }] of this.policies.entries()) {
      const isEverybody = match.tenants === undefined && match.plans === undefined;
      const isNamed = match.tenants?.includes(tenant) ?? false;
      const isOnPlan = plan !== undefined && (match.plans?.includes(plan) ?? false);
      if (isEverybody || isNamed || isOnPlan) indices.push(index);
    }
    return indices;
  }

  /** How many keys a tenant may hold in one process; undefined when the file does not say. */
  keysMaxOf(tenant: string): number | undefined {
    return this.#keysMax?.byTenant.get(tenant) ?? this.#keysMax?.everyTenant;
  }

  /** What to answer for a tenant when no shard can: the strictest wish of its policies. */
  failureMode(tenant: string): FailureMode {
    const modes = new Set(this.matching(tenant).map((index) => (this.policies[index] as Policy).onFailure));
    return modes.has("deny") ? "deny" : modes.has("local") ? "local" : "allow";
  }
}

export function compilePolicies(document: PolicyDocument, revision = 1): PolicySet {
  return new PolicySet(document, revision);
}
