/**
 * Every call of a run, as its caller saw it: what was asked, when, what came back and when. An answer that was
 * lost is `unknown`: the call may have been charged and was not admitted.
 *
 * Cost: one small object a call, kept until the run is judged.
 */
import type { ErrorCode } from "../../core/errors.ts";

/** `failed`: refused with a typed error that says it was not charged. */
export type CallOutcome = "admitted" | "denied" | "unknown" | "failed";

export interface Call {
  readonly number: number;
  readonly region: string;
  readonly tenant: string;
  readonly key?: string;
  readonly user?: string;
  readonly cost: number;
  /** Home shard of its finest dimension. */
  readonly shard: number;
  /** Monotonic. */
  readonly invokedUs: number;
  readonly returnedUs: number;
  readonly outcome: CallOutcome;
  /** Of a call that got no verdict. */
  readonly code?: ErrorCode;
  readonly message?: string;
  /** The policy that decided, of a verdict. */
  readonly policy?: string;
  /** Wall time at the owner, of a verdict. */
  readonly decidedUs?: number;
  readonly retryAfterUs?: number;
  /** Of the owner that gave the verdict, and the decision's number in its process; and who that was, where known. */
  readonly epoch?: number;
  readonly sequence?: number;
  readonly owner?: string;
}

/** Codes after which nobody knows whether the check was charged. */
const UNKNOWN_CODES: ReadonlySet<ErrorCode> = new Set(["PARL_DEADLINE_EXCEEDED", "PARL_INTERNAL"]);

export function outcomeOf(code: ErrorCode): CallOutcome {
  return UNKNOWN_CODES.has(code) ? "unknown" : "failed";
}

export function hasVerdict({ outcome }: Call): boolean {
  return outcome === "admitted" || outcome === "denied";
}

/** What calls came to under one limit, for one of its subjects. */
export interface Spend {
  /** Units asked for, without the calls that failed: those were not charged. */
  demand: number;
  admitted: number;
  unknown: number;
  /** Wall time of the first and last admission; NaN without one. */
  firstUs: number;
  lastUs: number;
}

export function emptySpend(): Spend {
  return { demand: 0, admitted: 0, unknown: 0, firstUs: Number.NaN, lastUs: Number.NaN };
}

export function addCall(spend: Spend, { cost, outcome, decidedUs = Number.NaN }: Call): void {
  if (outcome !== "failed") spend.demand += cost;
  if (outcome === "unknown") spend.unknown += cost;
  if (outcome !== "admitted") return;
  spend.admitted += cost;
  // Not `<`: the first comparison is with NaN.
  if (!(spend.firstUs <= decidedUs)) spend.firstUs = decidedUs;
  if (!(spend.lastUs >= decidedUs)) spend.lastUs = decidedUs;
}
