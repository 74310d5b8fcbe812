/**
 * What the gateway answers when its backend does not: the `onFailure` of the policies that match the tenant, the
 * strictest wish winning (PolicySet.failureMode).
 *
 *      allow ─▶ allowed        deny ─▶ denied        local ─▶ decided here, by the same policies
 *
 * A local decision is exact about what this gateway has seen since the backend went silent and knows nothing
 * of what that or other gateways admitted. Every answer given here is marked blind and counted by mode.
 */
import { Admission, type ClusterSecret } from "../admission/admission.ts";
import { FAILURE_MODES, type FailureMode } from "../admission/policy.ts";
import { MemoryBudget } from "../algorithms/memory-budget.ts";
import { blindResult, type CheckResult } from "../client/check.ts";
import type { Clock } from "../core/clock.ts";
import { encodeId } from "../core/id.ts";
import { US_PER_S } from "../core/units.ts";
import type { CheckFields } from "./check-fields.ts";
import type { PoliciesInForce } from "./policies-in-force.ts";

/** An outage's worth of keys; beyond it idle ones are evicted. */
const MEMORY_BYTES_MAX = 64 * 2 ** 20;
/** Few tables to walk: this gateway is one shard. */
const SHARDS = 1;
/** What does not answer is asked again after a second, so an earlier retry is in vain. */
const DENIED_RETRY_US = US_PER_S;

/** A check's answer; `failureMode` says how it came about when the backend did not give it. */
export interface Decided extends CheckResult {
  readonly failureMode?: FailureMode;
}

export interface BlindDeciderOptions {
  /** What answers call the place of decision. */
  readonly region: string;
  readonly policies: PoliciesInForce;
  readonly clock: Clock;
  readonly secret: ClusterSecret;
}

export class BlindDecider {
  readonly #options: BlindDeciderOptions;
  readonly #admission: Admission;
  readonly #counts = new Float64Array(FAILURE_MODES.length);

  constructor(options: BlindDeciderOptions) {
    this.#options = options;
    this.#admission = Admission.whole({
      shards: SHARDS,
      secret: options.secret,
      policies: options.policies.set,
      budget: new MemoryBudget(MEMORY_BYTES_MAX),
    });
  }

  /** Decisions so far, in the order of FAILURE_MODES. */
  get counts(): Readonly<Float64Array> {
    return this.#counts;
  }

  decide(check: CheckFields): Decided {
    const { region, policies } = this.#options;
    const tenant = encodeId(check.tenant);
    const failureMode = policies.failureMode(tenant);
    const at = FAILURE_MODES.indexOf(failureMode);
    this.#counts[at] = (this.#counts[at] as number) + 1;
    if (failureMode === "local") return { ...this.#decideHere(tenant, check), failureMode };
    const result = blindResult(failureMode === "allow", check.tier);
    return { ...result, retryAfterUs: result.allowed ? 0 : DENIED_RETRY_US, region, failureMode };
  }

  #decideHere(tenant: string, { key = "", user = "", cost, tier }: CheckFields): CheckResult {
    const { region, policies, clock } = this.#options;
    const admission = this.#admission;
    if (admission.policies !== policies.set) admission.adopt(policies.set);
    const nowUs = clock.wallUs();
    admission.table.sweep(nowUs);
    admission.describe(tenant, user === "" ? "" : encodeId(user), key === "" ? "" : encodeId(key));
    admission.decide(cost, nowUs);
    const { outcome, limit, remaining, retryAfterUs, resetAfterUs, delayUs } = admission.verdict;
    const policy = policies.set.policies[admission.tightest];
    return {
      ...blindResult(outcome === "allowed", tier),
      outcome,
      limit: policy === undefined ? null : limit,
      remaining: policy === undefined ? null : remaining,
      retryAfterUs,
      resetAfterUs,
      delayUs,
      policy: policy?.name ?? null,
      dimension: policy?.dimension ?? null,
      region,
      decidedUs: nowUs,
    };
  }
}
