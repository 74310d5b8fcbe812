/**
 * Room for keys: which slot a key gets that has none yet.
 *
 *      its tenant is full ──────────────────────────────────────────▶ its tenant's overflow bucket
 *      a free slot ─▶ the place of the neighbour that loses least ─▶ none: everybody's overflow bucket
 *
 * A tenant that invents keys is full (key-census.ts) before the memory is; from then on its new keys share one
 * bucket a table, and nobody else notices. Shortly before, and as long as it lasts, they have idle neighbours
 * swept out of their way, so that nobody is full of keys that are as good as new.
 *
 * Neighbours in hash order are a fair sample. An idle one loses nothing; else the one with most left loses
 * least; a blocked one never has to go, so no flood of new keys sets it free.
 */
import { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";
import type { Algorithm } from "./algorithm.ts";
import type { ArrearsSlot } from "./arrears.ts";
import type { KeyCensus, KeyQuota } from "./key-census.ts";
import type { KeyTable } from "./key-table.ts";

/** Candidates looked at for an eviction: the best of 32 random keys is among the idlest 3 % on average. */
const EVICTION_SAMPLE = 32;
/** More free than so many in twice as many slots as a sample has: a load below 0.87, where tables need not grow. */
const SPARSE_FREE = 8;
/** Slots swept for a new key of a tenant that is nearly full: then some 3 % of what it holds are idle. */
const SWEPT_PER_KEY = 32;
/** The identity that keys share when there is no memory for one of their own. */
const OVERFLOW = { high: 1, low: 0 } as const;

export interface KeyRoomOptions {
  /** Most keys held; the memory budget alone decides when absent. */
  readonly keysMax?: number;
  /** Who holds how many keys in this process; nobody is ever full when absent. */
  readonly census?: KeyCensus | undefined;
}

export class KeyRoom {
  /** Keys that had to go although they were not idle. */
  evictedLive = 0;
  /** Checks and reports of new keys that went to an overflow bucket. */
  overflowed = 0;
  /** Whose slot `shared` or `open` named last: the key's own, or a bucket's. */
  high = 0;
  low = 0;
  /** Whether everybody's bucket was made here, and whether one was adopted from elsewhere. */
  hasMadeBucket = false;
  hasAdoptedBucket = false;

  readonly #table: KeyTable;
  /** What a new key starts with. */
  readonly #arrears: ArrearsSlot;
  readonly #census: KeyCensus | undefined;
  readonly #keysMax: number;
  readonly #sampled = new Verdict();

  // What the last search for a victim found.
  #victimWords: Uint32Array = new Uint32Array(0);
  #victimAt = -1;
  #victimLeft = 0;
  #isVictimIdle = false;

  constructor(table: KeyTable, arrears: ArrearsSlot, { census, keysMax = Infinity }: KeyRoomOptions) {
    this.#table = table;
    this.#arrears = arrears;
    this.#census = census;
    this.#keysMax = keysMax;
  }

  /**
   * Offset of the bucket that an absent key has to share; −1 when it will get a slot of its own, or when there is
   * no bucket yet, which is as good.
   */
  shared(high: number, quota: KeyQuota | undefined, algorithm: Algorithm, nowUs: Micros): number {
    if (quota !== undefined && this.#isFull(high, quota)) return this.#find(quota.high, quota.low);
    const mayShare = this.hasMadeBucket || this.hasAdoptedBucket;
    if (!mayShare || this.#isFree() || this.#findVictim(high, algorithm, nowUs)) return -1;
    return this.#find(OVERFLOW.high, OVERFLOW.low);
  }

  /** Offset of a slot for an absent key: its own and as good as new, or the bucket it has to share. */
  open(high: number, low: number, quota: KeyQuota | undefined, algorithm: Algorithm, nowUs: Micros): number {
    if (quota !== undefined && this.#isFull(high, quota)) {
      return this.#openBucket(quota.high, quota.low, algorithm, nowUs);
    }
    const at = this.insert(high, low, 0, algorithm, nowUs);
    if (at < 0) return this.openOverflow(algorithm, nowUs);
    this.#arrears.start(algorithm, this.#table.words, at, nowUs);
    this.high = high;
    this.low = low;
    return at;
  }

  /** Offset of everybody's bucket, made if need be. */
  openOverflow(algorithm: Algorithm, nowUs: Micros): number {
    this.hasMadeBucket = true;
    return this.#openBucket(OVERFLOW.high, OVERFLOW.low, algorithm, nowUs);
  }

  /**
   * Makes a slot for an absent key, whoever is full. Offset into the table's `words`, or −1 when there is no room.
   *
   * @param left what the key itself has left: a neighbour with no more than that stays. 0 for a new key
   */
  insert(high: number, low: number, left: number, algorithm: Algorithm, nowUs: Micros): number {
    const at = this.#isFree() ? this.#table.insert(high, low) : -1;
    if (at >= 0 || !this.#findVictim(high, algorithm, nowUs)) return at;
    return this.#replaceVictim(high, low, left);
  }

  /**
   * The same for one of many keys that come in hash order, where free slots are meant for those that follow: its
   * neighbours are before it. Only where these are few is a slot its own: not as many came as had been told.
   */
  squeezeIn(high: number, low: number, left: number, algorithm: Algorithm, nowUs: Micros): number {
    const isSparse = this.#table.freeBefore(high, 2 * EVICTION_SAMPLE) > SPARSE_FREE;
    const at = isSparse && this.#isFree() ? this.#table.insert(high, low) : -1;
    if (at >= 0) return at;
    if (!this.#findVictim(high, algorithm, nowUs, 2 * EVICTION_SAMPLE)) return -1;
    return this.#replaceVictim(high, low, left);
  }

  /** What a key could ask for at this moment. */
  leftOf(algorithm: Algorithm, words: Uint32Array, at: number, nowUs: Micros): number {
    algorithm.evaluate(words, at, 0, nowUs, this.#sampled);
    return this.#sampled.remaining;
  }

  /** Puts a key in the place of the victim just found, unless it has less to lose. */
  #replaceVictim(high: number, low: number, left: number): number {
    if (!this.#isVictimIdle) {
      if (this.#victimLeft <= left) return -1;
      this.evictedLive += 1;
    }
    this.#table.remove(this.#victimWords, this.#victimAt);
    return this.#table.insert(high, low);
  }

  #isFull(high: number, quota: KeyQuota): boolean {
    const census = this.#census;
    if (census === undefined || !census.isNearlyFull(quota)) return false;
    this.#table.sweepNear(high, SWEPT_PER_KEY);
    return census.isFull(quota);
  }

  /** A bucket that is there is used by one key more. */
  #find(high: number, low: number): number {
    const at = this.#table.find(high, low);
    if (at < 0) return at;
    this.overflowed += 1;
    this.high = high;
    this.low = low;
    return at;
  }

  #openBucket(high: number, low: number, algorithm: Algorithm, nowUs: Micros): number {
    const found = this.#find(high, low);
    if (found >= 0) return found;
    const at = this.#table.insert(high, low, true);
    this.#arrears.start(algorithm, this.#table.words, at, nowUs);
    this.overflowed += 1;
    this.high = high;
    this.low = low;
    return at;
  }

  #isFree(): boolean {
    return this.#table.count < this.#keysMax && this.#table.hasRoom();
  }

  #findVictim(high: number, algorithm: Algorithm, nowUs: Micros, slotsBefore = 0): boolean {
    this.#victimAt = -1;
    this.#victimLeft = 0;
    this.#isVictimIdle = false;
    const consider = (words: Uint32Array, at: number): void => {
      if (this.#isVictimIdle || isOverflow(words[at] as number, (words[at + 1] as number) >>> 16)) return;
      const left = this.leftOf(algorithm, words, at, nowUs);
      this.#isVictimIdle = algorithm.isIdle(words, at, nowUs);
      if (!this.#isVictimIdle && left <= this.#victimLeft) return;
      this.#victimWords = words;
      this.#victimAt = at;
      this.#victimLeft = left;
    };
    this.#table.sample(high, EVICTION_SAMPLE, consider, slotsBefore);
    return this.#victimAt >= 0;
  }
}

/** Whether an identity as stored is that of everybody's overflow bucket. */
export function isOverflow(high: number, low: number): boolean {
  return high === OVERFLOW.high && low === OVERFLOW.low;
}
