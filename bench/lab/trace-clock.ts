/**
 * A clock for packages that read `Date.now` and cannot be told the time: from the moment it is made, theirs and this
 * process' is the moment last set. For a process of its own: nothing else may need the time of day. Timers, sockets and
 * what Redis lets expire go on in real time.
 */
import { US_PER_MS } from "../../core/units.ts";

export class TraceClock {
  #nowMs = Date.now();

  constructor() {
    Date.now = () => this.#nowMs;
  }

  set(nowUs: number): void {
    this.#nowMs = Math.floor(nowUs / US_PER_MS);
  }
}
