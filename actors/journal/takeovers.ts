/**
 * The takeovers that are still felt: each charged u to every key of its shard, also to keys that nobody has
 * seen yet, so the journal must remember them after the records that told of them are purged.
 */
import { CRASHES_TO_EXHAUST } from "../../admission/durability.ts";
import type { Micros } from "../../core/units.ts";
import type { Takeover } from "./record.ts";

/** More than that within one horizon are summed: a crash loop must not grow the journal. */
const TAKEOVERS_MAX = 32;
/** A sliding window, the slowest to forget, does so within two. */
const HORIZONS_FELT = 2;

/**
 * The list with one more.
 *
 * @param horizonMaxUs the longest horizon of any policy (durability.ts); older takeovers are left out
 */
export function withTakeover(
  before: readonly Takeover[],
  next: Takeover,
  horizonMaxUs: number,
): readonly Takeover[] {
  const list = [...before.filter(({ atUs }) => atUs > next.atUs - HORIZONS_FELT * horizonMaxUs), next];
  while (list.length > TAKEOVERS_MAX) {
    const [oldest, second, ...rest] = list as [Takeover, Takeover, ...Takeover[]];
    // Charged later than it was: too much, never too little.
    list.splice(0, list.length, { atUs: laterOf(oldest, second), times: summed(oldest, second) }, ...rest);
  }
  return list;
}

function laterOf(a: Takeover, b: Takeover): Micros {
  return a.atUs > b.atUs ? a.atUs : b.atUs;
}

/** More than exhausted cannot be told apart. */
function summed(a: Takeover, b: Takeover): number {
  return Math.min(a.times + b.times, CRASHES_TO_EXHAUST);
}
