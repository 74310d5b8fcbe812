/**
 * A region in this process: decides the checks it is given, in that order and at those times, with the code
 * the live shards run (admission/) and nothing around it.
 *
 * The hash seed is a constant: which keys share a table slot must not change a decision. Memory has no cap,
 * so nothing is ever evicted; a live region that had to evict will disagree, and should.
 */
import { Admission } from "../admission/admission.ts";
import { compilePolicies } from "../admission/policy-set.ts";
import type { PolicyDocument } from "../admission/policy.ts";
import { MemoryBudget } from "../algorithms/memory-budget.ts";
import type { Outcome } from "../core/decision.ts";
import { encodeId } from "../core/id.ts";
import { SHARDS_DEFAULT } from "../core/key.ts";
import { micros } from "../core/units.ts";

/** A check by its raw ids. */
export interface OfflineCheck {
  readonly tenant: string;
  readonly key: string;
  readonly user: string | null;
  readonly cost: number;
}

export interface OfflineDecision {
  readonly outcome: Outcome;
  /** The tightest policy; null when none applies, and then there is nothing remaining either. */
  readonly policy: string | null;
  readonly remaining: number | null;
  /** Null when no wait helps. */
  readonly retryAfterUs: number | null;
}

const SECRET = { high: 0x5eed0001, low: 0x5eed0002 };

export class OfflineDecider {
  readonly #admission: Admission;

  constructor(document: PolicyDocument) {
    const policies = compilePolicies(document);
    const budget = new MemoryBudget(Infinity);
    this.#admission = Admission.whole({ shards: SHARDS_DEFAULT, secret: SECRET, policies, budget });
  }

  /** @param nowUs never less than before */
  decide({ tenant, key, user, cost }: OfflineCheck, nowUs: number): OfflineDecision {
    const admission = this.#admission;
    const userToken = user === null ? "" : encodeId(user, "user");
    admission.describe(encodeId(tenant, "tenant"), userToken, encodeId(key, "key"));
    admission.decide(cost, micros(nowUs));
    const { outcome, remaining, retryAfterUs } = admission.verdict;
    const policy = admission.policies.policies[admission.tightest];
    return {
      outcome,
      policy: policy?.name ?? null,
      remaining: policy === undefined ? null : remaining,
      retryAfterUs: Number.isFinite(retryAfterUs) ? retryAfterUs : null,
    };
  }
}
