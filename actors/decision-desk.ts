/**
 * Where checks and reports are decided, once each: by admission, numbered in order of decision, counted, and
 * under an idempotency id answered again what was answered before.
 *
 * The check to be decided has been described to the admission (its registers); nothing is allocated for one
 * without an id.
 */
import type { Admission } from "../admission/admission.ts";
import type { AnsweredIds, Answer } from "../admission/answered-ids.ts";
import { DIMENSIONS, type Tier } from "../core/decision.ts";
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

export class DecisionDesk {
  readonly admission: Admission;
  readonly tally: DecisionTally;
  /** Decisions made so far: their order is what an offline run repeats. */
  sequence = 0;

  constructor(admission: Admission, tally: DecisionTally) {
    this.admission = admission;
    this.tally = tally;
  }

  /** Decides the check described to the admission, and counts it. */
  check(cost: number, nowUs: Micros): void {
    this.admission.decide(cost, nowUs);
    this.tally.decision(this.admission.tightest, this.admission.verdict.outcome);
  }

  /**
   * Decides the request described to the admission, or repeats the answer given to the same id before.
   * @throws ParlError PARL_TIER_UNAVAILABLE, PARL_ID_REUSED
   */
  decideOnce(home: OpenShard, verb: FrameKind, tenant: string, request: JsonRequest, nowUs: Micros): Answer {
    const problem = tierProblem(request.tier);
    if (problem !== undefined) throw problem;
    const asked = request.id === "" ? "" : `${verb} ${request.user} ${request.key} ${request.cost}`;
    const before = request.id === "" ? undefined : home.answered.find(tenant, request.id, asked, nowUs);
    if (before !== undefined) return before;
    const { admission } = this;
    if (verb === "check") this.check(request.cost, nowUs);
    else admission.report(request.cost, nowUs);
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
