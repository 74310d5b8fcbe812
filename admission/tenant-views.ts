/**
 * The tenants that were asked about of late, as decisions see them (tenant-view.ts), and which of those have no
 * room for new keys.
 */
import type { KeyCensus } from "../algorithms/key-census.ts";
import type { MemoryBudget } from "../algorithms/memory-budget.ts";
import type { IdentityHash } from "../core/half-sip-hash.ts";
import type { PolicySet } from "./policy-set.ts";
import { TenantView } from "./tenant-view.ts";

/** Tenants remembered; beyond that the cache starts over, so that inventing tenants costs us no memory. */
const TENANTS_MAX = 4_096;

/** A tenant whose new keys share its overflow buckets. */
export interface FullTenant {
  /** Token. */
  readonly tenant: string;
  /** About how many keys it holds here, and how many it may; one counts under each policy that looks at it. */
  readonly keys: number;
  readonly keysMax: number;
}

export interface TenantViewsOptions {
  readonly hash: IdentityHash;
  readonly shards: number;
  readonly budget: MemoryBudget;
  readonly census: KeyCensus;
}

export class TenantViews {
  readonly #options: TenantViewsOptions;
  readonly #views = new Map<string, TenantView>();
  #policies: PolicySet;

  constructor(policies: PolicySet, options: TenantViewsOptions) {
    this.#policies = policies;
    this.#options = options;
  }

  /** Puts other policies in force. */
  adopt(policies: PolicySet): void {
    this.#policies = policies;
    this.#views.clear();
  }

  of(tenant: string): TenantView {
    let view = this.#views.get(tenant);
    if (view === undefined) {
      if (this.#views.size >= TENANTS_MAX) this.#views.clear();
      const { hash, shards, budget } = this.#options;
      view = new TenantView(tenant, this.#policies, { hash, shards, budget });
      this.#views.set(tenant, view);
    }
    return view;
  }

  /** Those with most keys first. Cost: a look at every tenant remembered. */
  full(): FullTenant[] {
    const { census } = this.#options;
    return [...this.#views.values()]
      .filter(({ quota }) => census.isFull(quota))
      .map(({ tenant, quota, keysMax }) => ({ tenant, keys: census.keysOf(quota.tenant), keysMax }))
      .toSorted((a, b) => b.keys - a.keys);
  }
}
