/**
 * Evaluating a key on top of units that are spoken for but not charged: lent to other processes
 * (loan-book.ts) or pending in a waiting check (pending-charges.ts). They count as charged now.
 *
 *      │▒▒▒▒ charged ▒▒▒▒│░░ held ░░│ cost │      │ capacity
 *
 * So the question put to the limiter is `cost + held`, in two steps around it, without a closure:
 *
 *      limiter.evaluate(high, low, unitsBeside(held, cost, capacity), nowUs, verdict);
 *      judgeBeside(held, cost, capacity, verdict);
 *
 * The wait told is exact as long as what is held stays held; when only a return can help (cost + held is
 * more than the key could ever take at once) it is at least the time a recall takes.
 */
import type { Verdict } from "../core/decision.ts";

/** A recall there and back, with room for a busy holder. */
const RETURN_WAIT_US = 20_000;

/** What to ask the limiter for. */
export function unitsBeside(held: number, cost: number, capacity: number): number {
  return cost > 0 && cost + held <= capacity ? cost + held : cost;
}

/** Turns the limiter's verdict on `unitsBeside` into that on `cost` beside `held`. */
export function judgeBeside(held: number, cost: number, capacity: number, verdict: Verdict): void {
  if (held <= 0 || verdict.outcome === "unsatisfiable") return;
  const isAllowed = verdict.outcome === "allowed";
  if (cost === 0) {
    verdict.remaining = Math.max(0, verdict.remaining - held);
  } else if (cost + held > capacity) {
    const left = isAllowed ? verdict.remaining + cost : verdict.remaining;
    verdict.outcome = "denied";
    verdict.remaining = Math.max(0, left - held);
    verdict.retryAfterUs = Math.max(verdict.retryAfterUs, RETURN_WAIT_US);
    verdict.delayUs = 0;
  } else if (!isAllowed) {
    verdict.remaining = Math.max(0, verdict.remaining - held);
  }
}
