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
import { Verdict } from "../core/decision.ts";
import { micros, type Micros } from "../core/units.ts";
import type { Algorithm } from "./algorithm.ts";
import { copyKey } from "./key-copy.ts";
import { highOf, lowOf, placeOf } from "./key-table.ts";
import type { StatePageWriter } from "./state-page.ts";
import type { StatePageReader } from "./state-page-reader.ts";

/** Usage that is charged to whoever may have caused it. */
export interface Arrears {
  readonly units: number;
  /** When it is taken to have happened: the latest moment it may have. */
  readonly atUs: Micros;
}

/** A key that is not in the table, and units of it that are spoken for nevertheless. */
interface UnseenKey {
  readonly high: number;
  readonly low: number;
  readonly reserved: number;
}

export class ArrearsSlot {
  #words: Uint32Array | undefined;
  #chargedUs = 0;
  readonly #verdict = new Verdict();

  /** The state of a key never seen, as a slot at 0 without identity; undefined when it owes nothing (any more). */
  at(algorithm: Algorithm, nowUs: Micros): Uint32Array | undefined {
    if (this.#words !== undefined && algorithm.isIdle(this.#words, 0, nowUs)) this.drop(algorithm);
    return this.#words;
  }

  /** Units in use by a key never seen. */
  used(algorithm: Algorithm, nowUs: Micros): number {
    const owed = this.at(algorithm, nowUs);
    if (owed === undefined) return 0;
    algorithm.evaluate(owed, 0, 0, nowUs, this.#verdict);
    return algorithm.capacity - this.#verdict.remaining;
  }

  charge(algorithm: Algorithm, { units, atUs }: Arrears, nowUs: Micros): void {
    if (units <= 0 || nowUs - atUs >= algorithm.staleAfterUs / 2) return;
    const words = this.at(algorithm, nowUs) ?? this.#open(algorithm, atUs);
    // The state's time never decreases.
    this.#chargedUs = Math.max(this.#chargedUs, atUs);
    algorithm.charge(words, 0, units, micros(this.#chargedUs));
  }

  /** Takes over the slot of another process. */
  load(algorithm: Algorithm, page: StatePageReader): void {
    this.drop(algorithm);
    page.load(algorithm, this.#open(algorithm, page.nowUs), 0);
  }

  /** Writes the state of a key never seen into its slot. */
  start(algorithm: Algorithm, words: Uint32Array, at: number, nowUs: Micros): void {
    const owed = this.at(algorithm, nowUs);
    if (owed === undefined) algorithm.open(words, at, nowUs);
    else copyKey(algorithm, owed, words, at, nowUs);
  }

  /** Adds a key to a page as one never seen. @returns false when the page is full */
  writeUnseen(algorithm: Algorithm, key: UnseenKey, page: StatePageWriter, nowUs: Micros): boolean {
    const words = new Uint32Array(2 + algorithm.stateWords);
    const place = placeOf(key.high, key.low);
    words[0] = highOf(place);
    words[1] = lowOf(place) << 16;
    this.start(algorithm, words, 0, nowUs);
    const isAdded = page.add(algorithm, words, 0, nowUs, key.reserved);
    algorithm.release(words, 0);
    return isAdded;
  }

  retune(algorithm: Algorithm, previous: Algorithm, nowUs: Micros): void {
    if (this.#words !== undefined) algorithm.retune(this.#words, 0, previous, nowUs);
  }

  drop(algorithm: Algorithm): void {
    if (this.#words !== undefined) algorithm.release(this.#words, 0);
    this.#words = undefined;
  }

  #open(algorithm: Algorithm, nowUs: Micros): Uint32Array {
    this.#words = new Uint32Array(2 + algorithm.stateWords);
    this.#chargedUs = nowUs;
    algorithm.open(this.#words, 0, nowUs);
    return this.#words;
  }
}
