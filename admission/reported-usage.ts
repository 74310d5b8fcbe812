/**
 * How much of a reported usage is charged: what a key may owe for it is bounded, policy by policy (ADR 0017).
 *
 * Only of what was *reported*. What checks have been admitted for is charged in full by whoever charges it late
 * (loans, takeovers), also where a limit lowered meanwhile makes it more than a report could: a cut there would
 * admit it twice.
 */
import type { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import type { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";

/**
 * Units to commit for a report of `cost`.
 *
 * @param limiter its last evaluate was of the key, and so is the one after this
 * @param peek written over
 */
export function reportedUnits(limiter: KeyedLimiter, cost: number, nowUs: Micros, peek: Verdict): number {
  // By the slot's own name, which may be a bucket that the key shares.
  limiter.evaluate(limiter.high, limiter.low, 0, nowUs, peek);
  return Math.min(cost, limiter.algorithm.owable(peek.resetAfterUs));
}
