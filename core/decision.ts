/**
 * What a limiter answers. Three outcomes, never two: "not now" (denied, with the exact wait) and "never"
 * (unsatisfiable: the cost is more than the limiter can ever hold) are different things, because only
 * the first may be retried.
 */

export const OUTCOMES = ["allowed", "denied", "unsatisfiable"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Finest first: a check is decided at the home shard of its finest dimension. */
export const DIMENSIONS = ["user", "key", "org", "global"] as const;
export type Dimension = (typeof DIMENSIONS)[number];

export const TIERS = ["approximate", "leased", "strong"] as const;
export type Tier = (typeof TIERS)[number];

/**
 * The register a decision is written into. One instance serves any number of decisions, so that deciding
 * allocates nothing; whoever keeps a decision copies it.
 */
export class Verdict {
  outcome: Outcome = "allowed";
  /** Quota units per window, as the policy says. */
  limit = 0;
  /** Whole units that could be asked for at this moment, after this decision. */
  remaining = 0;
  /** Denied: one microsecond earlier is denied again, on time is allowed. Unsatisfiable: Infinity. Else 0. */
  retryAfterUs = 0;
  /** Time until the key is indistinguishable from one never seen. */
  resetAfterUs = 0;
  /** Leaky queue only: how long an allowed request waits for its turn. */
  delayUs = 0;

  /** Nothing has refused, and nothing is known. */
  clear(): void {
    this.outcome = "allowed";
    this.limit = 0;
    this.remaining = 0;
    this.retryAfterUs = 0;
    this.resetAfterUs = 0;
    this.delayUs = 0;
  }

  copyFrom(other: Verdict): void {
    this.outcome = other.outcome;
    this.limit = other.limit;
    this.remaining = other.remaining;
    this.retryAfterUs = other.retryAfterUs;
    this.resetAfterUs = other.resetAfterUs;
    this.delayUs = other.delayUs;
  }
}
