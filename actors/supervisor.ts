/**
 * When a crashed actor may start again: at once the first time, then after delays that double.
 *
 *      crash   1    2      3          4 …
 *      wait    0   100    200        400 … 10,000 ms       forgotten after a minute without a crash
 *
 * A crash is a broken invariant; the actor's state is not to be trusted and is rebuilt from nothing.
 */
import type { Micros } from "../core/units.ts";

const DELAY_FIRST_US = 100_000;
const DELAY_MAX_US = 10_000_000;
const FORGIVEN_AFTER_US = 60_000_000;

export class Supervisor {
  /** Crashes since the process started. */
  crashes = 0;
  #inARow = 0;
  #lastCrashUs = -Infinity;

  /** Notes a crash and answers how long to wait before starting again. */
  delayAfterCrashUs(nowUs: Micros): number {
    if (nowUs - this.#lastCrashUs > FORGIVEN_AFTER_US) this.#inARow = 0;
    this.#lastCrashUs = nowUs;
    this.crashes += 1;
    this.#inARow += 1;
    return this.#inARow === 1 ? 0 : Math.min(DELAY_MAX_US, DELAY_FIRST_US * 2 ** (this.#inARow - 2));
  }
}
