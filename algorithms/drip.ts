/**
 * Whole units dripping at one per emission interval, counted from an anchor: the common half of the token
 * bucket (drips fill it) and the leaky bucket (drips empty it).
 *
 *      anchor    T     T     T   now
 *        ├───────┼─────┼─────┼────┤        three drips, and `progress` towards the fourth
 *
 * The anchor is the last whole drip that was accounted for, an exact rational moment, so that no fraction of
 * a unit is ever lost or invented however often a key is looked at. A clock that steps back drips nothing.
 */
import type { Micros } from "../core/units.ts";
import { MomentField } from "./modular-time.ts";

export class Drip {
  /** Whole units dripped since the anchor, and ticks towards the next: results of `read`. */
  drips = 0;
  progressTicks = 0;

  readonly field: MomentField;

  constructor(limit: number, windowUs: number, capacity: number) {
    this.field = new MomentField(limit, windowUs, capacity);
  }

  /** Furthest below empty or above full that a count of units may go, in units. */
  get unitsMax(): number {
    return Math.min(2 ** 31 - 1, Math.floor(this.field.horizonTicks / this.field.num));
  }

  read(words: Uint32Array, at: number, nowUs: Micros): void {
    this.field.read(words, at, nowUs);
    const elapsed = -this.field.aheadTicks;
    this.drips = elapsed > 0 ? Math.floor(elapsed / this.field.num) : 0;
    // Negative while the clock is behind the anchor: the next drip is that much further away.
    this.progressTicks = elapsed - this.drips * this.field.num;
  }

  /** Moves the anchor so that `progressTicks` of the next drip have passed. */
  anchor(words: Uint32Array, at: number, progressTicks: number, nowUs: Micros): void {
    this.field.store(words, at, -progressTicks, nowUs);
  }

  /** Takes over the progress that `previous` has read; rounded down, so that no drip comes early. */
  inheritProgress(previous: Drip): void {
    const missing = previous.field.num - previous.progressTicks;
    this.progressTicks = this.field.num - this.field.convert(missing, previous.field);
  }

  /** Microseconds until `units` more have dripped, given the progress read. */
  untilUs(units: number): number {
    const { field } = this;
    return field.ceilUs(units * field.num - this.progressTicks);
  }
}
