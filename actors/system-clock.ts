/**
 * The real clock. Monotonic time comes from the process's high-resolution timer; wall time is the same timer
 * plus an offset taken once, so that it never runs backwards and never jumps within a window.
 *
 * The offset is taken again when the two have drifted apart by more than a quarter of a second: forwards at
 * once (the machine was suspended; the timer does not count that time), backwards never — whoever set the
 * system's clock back gets windows labelled as before, and no limit is handed out twice.
 */
import type { Clock } from "../core/clock.ts";
import { micros, US_PER_MS, type Micros } from "../core/units.ts";

const DRIFT_MAX_US = 250_000;
/** Looking at the system's clock costs more than adding; so it is looked at this often only. */
const DRIFT_CHECK_US = 1_000_000;

export class SystemClock implements Clock {
  #offsetUs = 0;
  #driftCheckUs = 0;

  monotonicUs(): Micros {
    return micros(Math.floor(performance.now() * US_PER_MS));
  }

  wallUs(): Micros {
    const monotonicUs = this.monotonicUs();
    if (monotonicUs >= this.#driftCheckUs) this.#checkDrift(monotonicUs);
    return micros(monotonicUs + this.#offsetUs);
  }

  #checkDrift(monotonicUs: number): void {
    this.#driftCheckUs = monotonicUs + DRIFT_CHECK_US;
    const offsetUs = Date.now() * US_PER_MS - monotonicUs;
    if (offsetUs - this.#offsetUs > DRIFT_MAX_US) this.#offsetUs = offsetUs;
  }
}
