/**
 * Room for keys under a memory cap: which slot a key gets that has none yet.
 *
 *      a free slot ─▶ the place of the neighbour that loses least ─▶ none: all share the overflow bucket
 *
 * Neighbours in hash order are a fair sample. An idle one loses nothing; else the one with most left loses
 * least; a blocked one never has to go, so no flood of new keys sets it free.
 */
import { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";
import type { Algorithm } from "./algorithm.ts";
import type { KeyTable } from "./key-table.ts";

/** Candidates looked at for an eviction: the best of 32 random keys is among the idlest 3 % on average. */
const EVICTION_SAMPLE = 32;
/** The identity that keys share when there is no room for one of their own. */
export const OVERFLOW = { high: 1, low: 0 } as const;

export class KeyRoom {
  /** Keys that had to go although they were not idle. */
  evictedLive = 0;

  readonly #table: KeyTable;
  readonly #keysMax: number;
  readonly #sampled = new Verdict();

  // What the last search for a victim found.
  #victimWords: Uint32Array = new Uint32Array(0);
  #victimAt = -1;
  #victimLeft = 0;
  #isVictimIdle = false;

  constructor(table: KeyTable, keysMax: number) {
    this.#table = table;
    this.#keysMax = keysMax;
  }

  /** Whether a new key would get a slot of its own. */
  has(high: number, algorithm: Algorithm, nowUs: Micros): boolean {
    return this.#isFree() || this.#findVictim(high, algorithm, nowUs);
  }

  /**
   * Makes a slot for an absent key. Offset into the table's `words`, or −1 when there is no room.
   *
   * @param left what the key itself has left: a neighbour with no more than that stays. 0 for a new key
   */
  insert(high: number, low: number, left: number, algorithm: Algorithm, nowUs: Micros): number {
    const table = this.#table;
    const at = this.#isFree() ? table.insert(high, low) : -1;
    if (at >= 0 || !this.#findVictim(high, algorithm, nowUs)) return at;
    if (!this.#isVictimIdle) {
      if (this.#victimLeft <= left) return -1;
      this.evictedLive += 1;
    }
    table.remove(this.#victimWords, this.#victimAt);
    return table.insert(high, low);
  }

  /** What a key could ask for at this moment. */
  leftOf(algorithm: Algorithm, words: Uint32Array, at: number, nowUs: Micros): number {
    algorithm.evaluate(words, at, 0, nowUs, this.#sampled);
    return this.#sampled.remaining;
  }

  #isFree(): boolean {
    return this.#table.count < this.#keysMax && this.#table.hasRoom();
  }

  #findVictim(high: number, algorithm: Algorithm, nowUs: Micros): boolean {
    this.#victimAt = -1;
    this.#victimLeft = 0;
    this.#isVictimIdle = false;
    this.#table.sample(high, EVICTION_SAMPLE, (words, at) => {
      if (this.#isVictimIdle || isOverflow(words[at] as number, (words[at + 1] as number) >>> 16)) return;
      const left = this.leftOf(algorithm, words, at, nowUs);
      this.#isVictimIdle = algorithm.isIdle(words, at, nowUs);
      if (!this.#isVictimIdle && left <= this.#victimLeft) return;
      this.#victimWords = words;
      this.#victimAt = at;
      this.#victimLeft = left;
    });
    return this.#victimAt >= 0;
  }
}

/** Whether an identity as stored is the overflow bucket's. */
export function isOverflow(high: number, low: number): boolean {
  return high === OVERFLOW.high && low === OVERFLOW.low;
}
