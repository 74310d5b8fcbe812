/**
 * Two clocks, named for what they promise. `monotonicUs` measures durations, timers and leases and means
 * nothing in another process. `wallUs` labels windows: microseconds since 1970, never running backwards
 * within one process (the real one is anchored on the monotonic clock, see actors/system-clock.ts).
 */
import { micros, type Micros } from "./units.ts";

export interface Clock {
  monotonicUs(): Micros;
  wallUs(): Micros;
}

/** The clock of tests and simulations: time passes only when told to. */
export class ManualClock implements Clock {
  #monotonicUs = 0;
  #wallUs: number;

  constructor(wallUs = 1_700_000_000_000_000) {
    this.#wallUs = wallUs;
  }

  monotonicUs(): Micros {
    return micros(this.#monotonicUs);
  }

  wallUs(): Micros {
    return micros(this.#wallUs);
  }

  advanceUs(us: number): void {
    if (!(us >= 0)) throw new RangeError(`advanceUs takes a duration >= 0, not ${us}`);
    this.#monotonicUs += us;
    this.#wallUs += us;
  }

  /** Moves the wall clock alone, as an operator or NTP would. */
  stepWallUs(us: number): void {
    this.#wallUs += us;
  }
}
