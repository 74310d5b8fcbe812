/** What every algorithm answers that compares a count with the limit; the times are its own. */
import type { Verdict } from "../core/decision.ts";

/**
 * Writes outcome, limit and remaining of asking for `cost` on top of `count`. An allowing verdict waits 0, an
 * unsatisfiable one for ever; a denying one has its wait filled in by the caller.
 *
 * @returns the count after the decision
 */
export function judgeCount(count: number, cost: number, capacity: number, verdict: Verdict): number {
  const isAllowed = count + cost <= capacity || cost === 0;
  const used = isAllowed ? count + cost : count;
  verdict.outcome = isAllowed ? "allowed" : cost <= capacity ? "denied" : "unsatisfiable";
  verdict.limit = capacity;
  verdict.remaining = used < capacity ? capacity - used : 0;
  verdict.retryAfterUs = verdict.outcome === "unsatisfiable" ? Infinity : 0;
  verdict.delayUs = 0;
  return used;
}
