/**
 * What several policies say of one check, as one answer: refusals outrank permissions, a longer wait outranks a
 * shorter one, less left outranks more; of equals the first. The same choice as the shards' (admission.ts).
 */
import type { Verdict } from "../core/decision.ts";

/**
 * Writes the combined answer into the tightest of `verdicts`: of a check that was allowed, each after its charge; of
 * one that was refused, what is left under those that would have allowed it. Those that say nothing are passed over.
 *
 * @returns its place, −1 when none says anything
 */
export function tightestOf(verdicts: readonly (Verdict | undefined)[]): number {
  let tightest: Verdict | undefined;
  let place = -1;
  let least = Infinity;
  let delayUs = 0;
  for (const [i, one] of verdicts.entries()) {
    if (one === undefined) continue;
    least = Math.min(least, one.remaining);
    delayUs = Math.max(delayUs, one.delayUs);
    const isTighter =
      tightest === undefined ||
      one.retryAfterUs > tightest.retryAfterUs ||
      (tightest.retryAfterUs === 0 && one.retryAfterUs === 0 && one.remaining < tightest.remaining);
    if (isTighter) [tightest, place] = [one, i];
  }
  if (tightest !== undefined) {
    tightest.remaining = least;
    tightest.delayUs = tightest.outcome === "allowed" ? delayUs : 0;
  }
  return place;
}
