/** A decision in the words of the JSON wire. */
import type { Answer } from "../admission/answered-ids.ts";
import { DIMENSIONS } from "../core/decision.ts";
import { millisCeil } from "../core/units.ts";
import { encodeJson, jsonMillis, type JsonDecision } from "../core/wire-json.ts";
import type { Asking } from "./decision-desk.ts";

type JsonState = Pick<
  JsonDecision,
  "remaining" | "limit" | "resetAfterMs" | "policy" | "dimension" | "region"
>;

export function jsonAnswer(region: string, { verb, request }: Asking, answer: Answer): Uint8Array {
  const state = stateOf(region, answer);
  if (verb === "report") return encodeJson({ charged: request.cost, ...state });
  const { outcome, retryAfterUs, delayUs } = answer.verdict;
  const decision: JsonDecision = {
    allowed: outcome === "allowed",
    outcome,
    ...state,
    retryAfterMs: jsonMillis(retryAfterUs),
    ...(delayUs > 0 ? { delayMs: millisCeil(delayUs) } : {}),
    tier: request.tier,
    overshootMaxPct: 0,
  };
  return encodeJson(decision);
}

function stateOf(region: string, { verdict, policy, dimension }: Answer): JsonState {
  const isLimited = policy !== null;
  return {
    remaining: isLimited ? verdict.remaining : null,
    limit: isLimited ? verdict.limit : null,
    resetAfterMs: millisCeil(verdict.resetAfterUs),
    policy,
    dimension: DIMENSIONS[dimension] ?? null,
    region,
  };
}
