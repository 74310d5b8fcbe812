/**
 * What was reserved of keys (reservations.ts), as pages of a journal tell it one after the other: the last word
 * about a key counts, and a page that says nothing of reservations takes none away.
 */
import { highOf, lowOf, placeOf } from "../algorithms/key-table.ts";
import type { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import type { StatePageReader } from "../algorithms/state-page-reader.ts";
import type { Micros } from "../core/units.ts";

export class ReservedKeys {
  /** Units by policy index, and by place in hash order. */
  readonly #units = new Map<number, Map<number, number>>();

  /** Takes in an opened page. */
  note(policyIndex: number, page: StatePageReader): void {
    if (!page.isReserving) return;
    const units = this.#units.get(policyIndex) ?? new Map<number, number>();
    this.#units.set(policyIndex, units);
    page.rewind();
    while (page.next()) if (page.high !== 0) units.set(placeOf(page.high, page.low), page.reserved);
  }

  /** Charges each key of a policy what was reserved of it. */
  charge(policyIndex: number, limiter: KeyedLimiter, atUs: Micros): void {
    for (const [place, units] of this.#units.get(policyIndex) ?? [])
      limiter.charge(highOf(place), lowOf(place), units, atUs);
  }

  clear(): void {
    this.#units.clear();
  }
}
