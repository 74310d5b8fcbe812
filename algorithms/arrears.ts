/**
 * Arrears: what keys never seen owe.
 *
 * After a crash nobody knows what a key spent of late, only how much it was at most. Instead of charging keys
 * one by one that may never come again, one slot holds the state of a key that was charged just that: a key
 * never seen is judged by the slot and starts as its copy.
 *
 *      charge(u, crash)        copy ▶ key a          copy ▶ key b         drained: keys are new again
 *      ───────┴──────────────────┴─────────────────────┴──────────────────────┴──────▶
 *
 * It is a slot like any other: drains, is retuned, must be looked at before its times can be misread, travels
 * in pages. After a second crash it is charged again, on top of what is left of the first.
 */
import { micros, type Micros } from "../core/units.ts";
import type { Algorithm } from "./algorithm.ts";
import type { StatePageReader } from "./state-page.ts";

/** Usage that is charged to whoever may have caused it. */
export interface Arrears {
  readonly units: number;
  /** When it is taken to have happened: the latest moment it may have. */
  readonly atUs: Micros;
}

export class ArrearsSlot {
  /** The state of a key never seen, as a slot at 0 without identity. */
  readonly words: Uint32Array;
  #chargedUs: number;

  /** Of a key that owes nothing yet. */
  constructor(algorithm: Algorithm, nowUs: Micros) {
    this.words = new Uint32Array(2 + algorithm.stateWords);
    this.#chargedUs = nowUs;
    algorithm.open(this.words, 0, nowUs);
  }

  charge(algorithm: Algorithm, { units, atUs }: Arrears): void {
    // The state's time never decreases.
    this.#chargedUs = Math.max(this.#chargedUs, atUs);
    algorithm.charge(this.words, 0, units, micros(this.#chargedUs));
  }

  /** Takes over the slot of another process. */
  load(algorithm: Algorithm, page: StatePageReader): void {
    this.#chargedUs = Math.max(this.#chargedUs, page.nowUs);
    algorithm.release(this.words, 0);
    page.load(algorithm, this.words, 0);
  }

  /** Writes a copy into the slot of a new key. */
  copyTo(algorithm: Algorithm, words: Uint32Array, at: number, nowUs: Micros): void {
    const { log } = algorithm;
    if (log === undefined) {
      copyState(this.words, words, at);
      return;
    }
    algorithm.open(words, at, nowUs);
    const events = log.select(this.words, 0, nowUs);
    for (let index = 0; index < events; index += 1) {
      // Appending points the log at the new key.
      log.select(this.words, 0, nowUs);
      log.append(words, at, micros(log.timeUs(index)), log.cost(index));
    }
  }
}

/** Copies the state words of the slot at the start of `from`, its identity excepted. */
export function copyState(from: Uint32Array, words: Uint32Array, at: number): void {
  words[at + 1] = ((words[at + 1] as number) & 0xffff0000) | ((from[1] as number) & 0xffff);
  for (let word = 2; word < from.length; word += 1) words[at + word] = from[word] as number;
}
