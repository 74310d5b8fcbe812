/**
 * A tenant as the deciding shard sees it: which policies apply, and everything about its keys that can be
 * worked out once — hash states that have already absorbed tenant and dimension, and the homes of its coarse
 * dimensions. Views are cached by tenant token and thrown away when the policies change.
 */
import { KeyQuota } from "../algorithms/key-census.ts";
import type { MemoryBudget } from "../algorithms/memory-budget.ts";
import { DIMENSIONS, type Dimension } from "../core/decision.ts";
import { fnv1aString } from "../core/fnv1a.ts";
import type { IdentityHash } from "../core/half-sip-hash.ts";
import { GLOBAL_TOKEN, ORG_TOKEN } from "../core/id.ts";
import { globalShard, orgShard } from "../core/key.ts";
import type { Policy } from "./policy.ts";
import type { PolicySet } from "./policy-set.ts";

/** Position of each dimension in the arrays below, finest first. */
export const USER = 0;
export const KEY = 1;
export const ORG = 2;
export const GLOBAL = 3;

/** In place of a key in a hash that stands for the tenant as a holder of keys; no key is called so. */
const QUOTA_TOKEN = "_quota";
/** A tenant may fill a quarter of the memory, at 16 bytes a key. */
const BUDGET_BYTES_PER_KEY = 4 * 16;

export interface TenantViewOptions {
  readonly hash: IdentityHash;
  readonly shards: number;
  /** Of which a tenant has its share where the policies do not say how many keys it may hold. */
  readonly budget: MemoryBudget;
}

export class TenantView {
  readonly tenant: string;
  /** FNV-1a of the tenant token, to be continued with a key's. */
  readonly placement: number;
  readonly userHash: IdentityHash;
  readonly keyHash: IdentityHash;
  /** How many users and keys it may hold in this process, each counted under every policy that looks at it. */
  readonly keysMax: number;
  readonly quota: KeyQuota;
  /** Policies that apply, finest dimension first: index into the policy set, and dimension. */
  readonly policyIndices: Int32Array;
  readonly dimensions: Uint8Array;
  readonly orgHigh: number;
  readonly orgLow: number;
  readonly orgShard: number;
  readonly globalHigh: number;
  readonly globalLow: number;
  readonly globalShard: number;

  constructor(tenant: string, policies: PolicySet, { hash, shards, budget }: TenantViewOptions) {
    this.tenant = tenant;
    this.placement = fnv1aString(tenant);
    this.userHash = hash.withPrefix(identityPrefix(tenant, "user"));
    this.keyHash = hash.withPrefix(identityPrefix(tenant, "key"));
    const dimensionOf = (index: number) => DIMENSIONS.indexOf((policies.policies[index] as Policy).dimension);
    const indices = policies.matching(tenant).toSorted((a, b) => dimensionOf(a) - dimensionOf(b));
    this.policyIndices = Int32Array.from(indices);
    this.dimensions = Uint8Array.from(indices, dimensionOf);
    const org = hash.withPrefix(identityPrefix(tenant, "org"));
    org.ofString(QUOTA_TOKEN);
    const id = org.high === 0 ? 1 : org.high;
    const policiesOf = (dimension: number): number => this.dimensions.filter((d) => d === dimension).length;
    const policiesMost = Math.max(policiesOf(USER), policiesOf(KEY));
    this.keysMax = policies.keysMaxOf(tenant) ?? Math.floor(budget.bytesMax / BUDGET_BYTES_PER_KEY);
    this.quota = KeyQuota.of(id, this.keysMax, policiesMost);
    org.ofString(ORG_TOKEN);
    this.orgHigh = org.high;
    this.orgLow = org.low;
    this.orgShard = orgShard(tenant, shards);
    const everybody = hash.withPrefix(identityPrefix("", "global"));
    everybody.ofString(GLOBAL_TOKEN);
    this.globalHigh = everybody.high;
    this.globalLow = everybody.low;
    this.globalShard = globalShard(shards);
  }
}

/** Length-prefixed, so that no tenant can be spelled to look like another with a dimension attached. */
function identityPrefix(tenant: string, dimension: Dimension): string {
  return `${tenant.length}.${tenant}${dimension}`;
}
