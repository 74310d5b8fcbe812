/**
 * A decision as an HTTP answer: 200 for allowed, 429 for denied and unsatisfiable, in both cases with the
 * JSON that NATS callers get; a 429 is also a problem in the sense of RFC 9457 and of the IETF's draft.
 */
import type { CheckResult } from "../client/check.ts";
import { millisCeil } from "../core/units.ts";
import { jsonMillis, type JsonDecision } from "../core/wire-json.ts";
import type { Decided } from "./blind-decider.ts";
import { jsonAnswer, problemAnswer, type HttpAnswer } from "./http-answer.ts";
import type { PolicyWords } from "./policies-in-force.ts";
import { rateLimitFields } from "./rate-limit-fields.ts";

const QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const TOO_MANY_REQUESTS = 429;

export function decisionAnswer(decided: Decided, words: PolicyWords | undefined): HttpAnswer {
  const headers = rateLimitFields(decided, words);
  if (decided.failureMode !== undefined) headers.push("Parl-Blind", decided.failureMode);
  if (decided.allowed) return jsonAnswer(200, jsonDecision(decided), headers);
  const problem = {
    type: QUOTA_EXCEEDED,
    title: "Quota exceeded",
    status: TOO_MANY_REQUESTS,
    detail: detailOf(decided),
    "violated-policies": decided.policy === null ? [] : [decided.policy],
    ...jsonDecision(decided),
  };
  return problemAnswer(problem, headers);
}

/** What a report is answered with: what was charged, and the state it left. */
export function reportAnswer(
  charged: number,
  state: CheckResult,
  words: PolicyWords | undefined,
): HttpAnswer {
  const { remaining, limit, resetAfterUs, policy, dimension, region } = state;
  const resetAfterMs = millisCeil(resetAfterUs);
  const body = { charged, remaining, limit, resetAfterMs, policy, dimension, region };
  return jsonAnswer(200, body, rateLimitFields(state, words));
}

function jsonDecision(decided: Decided): JsonDecision & { blind?: true } {
  const { allowed, outcome, remaining, limit, policy, dimension, tier, region, delayUs, blind } = decided;
  return {
    allowed,
    outcome,
    remaining,
    limit,
    retryAfterMs: jsonMillis(decided.retryAfterUs),
    resetAfterMs: millisCeil(decided.resetAfterUs),
    ...(delayUs > 0 && { delayMs: millisCeil(delayUs) }),
    policy,
    dimension,
    tier,
    region,
    overshootMaxPct: 0,
    ...(blind && { blind }),
  };
}

function detailOf({ outcome, policy, retryAfterUs }: Decided): string {
  if (policy === null) return "nobody could decide this, and for this tenant that means no (onFailure: deny)";
  if (outcome === "unsatisfiable") return `policy ${policy} can never grant this many tokens at once`;
  return `policy ${policy} grants no more for now; retry after ${millisCeil(retryAfterUs)} ms`;
}
