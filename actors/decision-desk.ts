/**
 * Where checks and reports are decided, once each: by admission, numbered in order of decision, counted, and
 * under an idempotency id answered again what was answered before.
 *
 * The check to be decided has been described to the admission (its registers); nothing is allocated for one
 * without an id.
 */
import type { Admission, WhenMissing } from "../admission/admission.ts";
import { HeavyHitters } from "../admission/heavy-hitters.ts";
import type { Policy } from "../admission/policy.ts";
import type { AnsweredIds, Answer } from "../admission/answered-ids.ts";
import { DIMENSIONS, type Tier } from "../core/decision.ts";
import { GLOBAL_TOKEN, ORG_TOKEN } from "../core/id.ts";
import { ParlError } from "../core/errors.ts";
import type { FrameKind } from "../core/packed-request.ts";
import type { Micros } from "../core/units.ts";
import type { JsonRequest } from "../core/wire-json.ts";
import type { DecisionTally } from "./decision-tally.ts";
import type { ShardFacts } from "./observation.ts";

/** A shard that this process decides. */
export interface OpenShard extends ShardFacts {
  epoch: number;
  decided: number;
  readonly answered: AnsweredIds;
}

/** A check or report as somebody asked for it, in tokens. */
export interface Asking {
  readonly verb: FrameKind;
  readonly tenant: string;
  readonly request: JsonRequest;
}

/** `unnamed`: decided, and it refused a key that is not among the limited ones yet: then `nameLimited` it. */
export type CheckEnd = "decided" | "unnamed" | "waiting";

export class DecisionDesk {
  readonly admission: Admission;
  readonly tally: DecisionTally;
  /** Who is limited now. */
  readonly limited = new HeavyHitters();
  /** Decisions made so far: their order is what an offline run repeats. */
  sequence = 0;

  constructor(admission: Admission, tally: DecisionTally) {
    this.admission = admission;
    this.tally = tally;
  }

  /** Decides the check described to the admission, and counts it. */
  check(cost: number, nowUs: Micros, whenMissing: WhenMissing = "wait"): CheckEnd {
    const { admission } = this;
    const { verdict } = admission;
    if (!admission.decide(cost, nowUs, whenMissing)) return "waiting";
    this.tally.decision(admission.tightest, verdict.outcome);
    if (whenMissing !== "wait") this.tally.late += 1;
    // "Never" is no limit that a key has reached.
    if (verdict.outcome !== "denied") return "decided";
    this.tally.denial(admission.doubt);
    return this.#refused(admission.tightest, nowUs) ? "decided" : "unnamed";
  }

  /** Says whose the last check was, in tokens. */
  nameLimited(tenant: string, user: string, key: string): void {
    const { name, dimension } = this.admission.policies.policies[this.admission.tightest] as Policy;
    const token = { user, key, org: ORG_TOKEN, global: GLOBAL_TOKEN }[dimension];
    this.limited.name({ tenant: dimension === "global" ? "" : tenant, dimension, key: token, policy: name });
  }

  #refused(policyIndex: number, nowUs: Micros): boolean {
    const { admission } = this;
    const dimension = DIMENSIONS.indexOf((admission.policies.policies[policyIndex] as Policy).dimension);
    const { retryAfterUs } = admission.verdict;
    return this.limited.refused(
      admission.highOf(dimension),
      admission.lowOf(dimension),
      policyIndex,
      nowUs,
      retryAfterUs,
    );
  }

  /**
   * Decides the request described to the admission, or repeats the answer given to the same id before.
   *
   * @returns undefined when it must wait for a home elsewhere
   * @throws ParlError PARL_TIER_UNAVAILABLE, PARL_ID_REUSED
   */
  decideOnce(home: OpenShard, asking: Asking, nowUs: Micros, whenMissing?: WhenMissing): Answer | undefined {
    const { verb, tenant, request } = asking;
    const problem = tierProblem(request.tier);
    if (problem !== undefined) throw problem;
    const asked = request.id === "" ? "" : `${verb} ${request.user} ${request.key} ${request.cost}`;
    const before = request.id === "" ? undefined : home.answered.find(tenant, request.id, asked, nowUs);
    if (before !== undefined) return before;
    const { admission } = this;
    if (verb === "check") {
      const end = this.check(request.cost, nowUs, whenMissing);
      if (end === "waiting") return undefined;
      if (end === "unnamed") this.nameLimited(tenant, request.user, request.key);
    } else admission.report(request.cost, nowUs);
    const policy = admission.policies.policies[admission.tightest];
    const answer: Answer = {
      request: asked,
      verdict: admission.verdict,
      policy: policy?.name ?? null,
      dimension: policy === undefined ? -1 : DIMENSIONS.indexOf(policy.dimension),
    };
    if (request.id !== "") home.answered.remember(tenant, request.id, answer);
    return answer;
  }
}

/** Until regions exchange rights, only the local tier can be promised. */
export function tierProblem(tier: Tier): ParlError | undefined {
  if (tier === "approximate") return undefined;
  const message = `tier ${tier} is not available in this version; ask for tier approximate`;
  return new ParlError("PARL_TIER_UNAVAILABLE", message, { field: "tier" });
}
