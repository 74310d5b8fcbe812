/**
 * Whether two GCRA limiters that were asked the same, one shortly after the other, have given the same answer.
 *
 * redis-cell reads its own clock, so the two never decide at the same moment: the second is some microseconds later,
 * and what it charged then wears off as much later. An answer that a moment's difference explains is set apart: the
 * room that our verdict leaves, in time, is as near to the line as that.
 *
 *      room = B·T − reset      ├──T──┼──T──┼─·│              remaining 2; at · a moment's wait makes it 3
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import type { Verdict } from "../../core/decision.ts";

/** What CL.THROTTLE answers first and third. */
export interface CellAnswer {
  readonly isAllowed: boolean;
  readonly remaining: number;
}

export type Agreement = "same" | "a moment" | "unlike";

/** @param momentUs differences in time up to this one explain a difference in the answer */
export function agreementOf(
  { limit, windowUs, burst = limit }: Pick<AlgorithmParams, "limit" | "windowUs" | "burst">,
  ours: Verdict,
  cell: CellAnswer,
  momentUs: number,
): Agreement {
  const isAllowed = ours.outcome === "allowed";
  if (isAllowed === cell.isAllowed && ours.remaining === cell.remaining) return "same";
  const intervalUs = windowUs / limit;
  const roomUs = burst * intervalUs - ours.resetAfterUs;
  if (isAllowed !== cell.isAllowed) {
    const isNear = isAllowed ? roomUs <= momentUs : ours.retryAfterUs <= momentUs;
    return isNear ? "a moment" : "unlike";
  }
  const unitsAt = (us: number): number => Math.max(0, Math.floor(us / intervalUs));
  const isBetween =
    cell.remaining >= unitsAt(roomUs - momentUs) && cell.remaining <= unitsAt(roomUs + momentUs);
  return isBetween ? "a moment" : "unlike";
}
