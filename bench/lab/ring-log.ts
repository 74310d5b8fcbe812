/**
 * A sliding log in a ring of fixed size, for one key: where L events do not fit into k places, ⌈L/k⌉ units share one,
 * and all of them stay until the youngest has left the window.
 *
 *      units     ● ●  ●   ●  │ ●   ● ●  ●  │ ●  ○ ○ ○       g = 4 units a place
 *      places             ▲             ▲    ▲
 *                         └ youngest ───┘    └ the last one, not full yet
 *
 * Only one place at a time can hold units on both sides of the window's edge, so at most g − 1 units are counted that
 * have left already: never more than L in any window, and a unit is refused only where the exact log would refuse g.
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";

/** A moment; the number of units in the last place, and where the oldest is. */
const PLACE_BYTES = 8;
const RING_BYTES = 8;

export class RingLog {
  /** Units that share a place. */
  readonly groupUnits: number;
  readonly #limit: number;
  readonly #windowUs: number;
  /** Moments of the youngest unit in each place, oldest place first. All but the last place are full. */
  #youngestUs: number[] = [];
  #lastUnits = 0;

  constructor({ limit, windowUs }: Pick<AlgorithmParams, "limit" | "windowUs">, places: number) {
    this.groupUnits = Math.ceil(limit / places);
    this.#limit = limit;
    this.#windowUs = windowUs;
  }

  /** What a key takes whose ring has so many places, one of them for the units that fill no place yet. */
  static bytes(places: number): number {
    return RING_BYTES + PLACE_BYTES * (places + 1);
  }

  get placesUsed(): number {
    return this.#youngestUs.length;
  }

  /** Whether one unit is admitted; moments never decrease. */
  ask(nowUs: number): boolean {
    const youngestUs = this.#youngestUs;
    while (youngestUs.length > 0 && youngestUs[0]! <= nowUs - this.#windowUs) youngestUs.shift();
    const full = Math.max(0, youngestUs.length - 1) * this.groupUnits;
    if (full + (youngestUs.length === 0 ? 0 : this.#lastUnits) >= this.#limit) return false;
    if (youngestUs.length === 0 || this.#lastUnits === this.groupUnits) {
      youngestUs.push(nowUs);
      this.#lastUnits = 0;
    }
    youngestUs[youngestUs.length - 1] = nowUs;
    this.#lastUnits += 1;
    return true;
  }
}
