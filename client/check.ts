/** What a caller asks and what it is told. */
import type { Dimension, Outcome, Tier } from "../core/decision.ts";
import type { ParlError } from "../core/errors.ts";

/** Ids are raw text; the SDK encodes them. One of key and user must be there. */
export interface CheckRequest {
  readonly tenant?: string;
  readonly key?: string;
  readonly user?: string;
  /** Quota units, 1 when absent; 0 peeks. */
  readonly cost?: number;
  readonly tier?: Tier;
  /** Idempotency id: the same request under the same id is charged once. */
  readonly id?: string;
  /** How long to wait for an answer; the client's when absent. */
  readonly deadlineMs?: number;
}

export interface CheckResult {
  readonly allowed: boolean;
  readonly outcome: Outcome;
  /** Null when no policy applied. */
  readonly limit: number | null;
  readonly remaining: number | null;
  /** Exact: one microsecond earlier is denied again. Infinity when it can never pass. */
  readonly retryAfterUs: number;
  readonly resetAfterUs: number;
  /** Leaky queue: how long to wait before going ahead. */
  readonly delayUs: number;
  readonly policy: string | null;
  readonly dimension: Dimension | null;
  readonly tier: Tier;
  readonly region: string;
  /** When the shard decided, in its microseconds since 1970, and the decision's number in its process. */
  readonly decidedUs: number;
  readonly sequence: number;
  /** Of the shard's owner; it rises whenever the shard gets another. 0 where there are no shards. */
  readonly epoch: number;
  /** True when no shard answered and `onFailure` decided instead. */
  readonly blind: boolean;
}

/** A check that got no answer: what was asked, and why. */
export interface Failure {
  readonly request: CheckRequest;
  readonly error: ParlError;
}

/** What to do then: reject the promise, let everything or nothing through, or decide by a function. */
export type OnFailure = "throw" | "allow" | "deny" | ((failure: Failure) => boolean | CheckResult);

/** The answer of `onFailure` in the shape of a decision. */
export function blindResult(allowed: boolean, tier: Tier): CheckResult {
  return {
    allowed,
    outcome: allowed ? "allowed" : "denied",
    limit: null,
    remaining: null,
    retryAfterUs: 0,
    resetAfterUs: 0,
    delayUs: 0,
    policy: null,
    dimension: null,
    tier,
    region: "",
    decidedUs: 0,
    sequence: 0,
    epoch: 0,
    blind: true,
  };
}
