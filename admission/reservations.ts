/**
 * Units of keys that are lent beyond what a crash of their home is charged for anyway (durability.ts), as the
 * journal sees them: they stand beside a key's state, and whoever recovers the key charges them.
 *
 *      state as charged ░░░░░░░░│▒▒▒▒ reserved ▒▒▒▒│     in the journal before the grant goes out
 *
 * Why not simply a state with the units charged? They may be spent later than that, up to the end of the
 * lease. A charge at the time of writing would drain meanwhile, or fall into the window before; the successor's
 * comes after the last spending, so that it is right for every algorithm.
 */
import type { LoanKey } from "./loan.ts";

export interface Reservations {
  /** Whether there may ever have been any: pages of the journal say so from then on. */
  readonly hasReserved: boolean;
  /** Units of one key. */
  reservedOf(policyIndex: number, high: number, low: number): number;
  /** Keys of a shard of which any are reserved. */
  reservedKeys(shard: number): readonly LoanKey[];
}
