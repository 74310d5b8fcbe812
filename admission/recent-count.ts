/** How often something happened in the period under way; periods follow one another. Nothing is kept per event. */
import type { Micros } from "../core/units.ts";

export class RecentCount {
  readonly #periodUs: number;
  #fromUs = -Infinity;
  #count = 0;

  constructor(periodUs: number) {
    this.#periodUs = periodUs;
  }

  at(nowUs: Micros): number {
    return nowUs - this.#fromUs < this.#periodUs ? this.#count : 0;
  }

  add(nowUs: Micros): void {
    this.#count = this.at(nowUs) + 1;
    if (this.#count === 1) this.#fromUs = nowUs;
  }
}
