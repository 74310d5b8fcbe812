/**
 * One policy's limiter over all keys of one shard: an algorithm and its key table.
 *
 * A decision is two steps, because a check over several policies charges none before all have agreed:
 *
 *      evaluate(key, cost, now) ──▶ verdict           looks, changes nothing
 *      commit()                                       charges what the last evaluate found
 *
 * Time is the running maximum of what callers say: a clock that steps back mints nothing. Keys whose state
 * is indistinguishable from new are swept away; under a spent memory budget a new key takes the place of the
 * neighbour that loses least, never of a blocked one; and when all are blocked, new keys share one
 * overflow bucket. Both are counted.
 *
 * Cost: one table search and one evaluation; no allocation.
 */
import { Verdict } from "../core/decision.ts";
import { micros, type Micros } from "../core/units.ts";
import type { Algorithm } from "./algorithm.ts";
import { KeyTable, type Reaper } from "./key-table.ts";
import type { MemoryBudget } from "./memory-budget.ts";

/** Candidates looked at for an eviction: the best of 32 random keys is among the idlest 3 % on average. */
const EVICTION_SAMPLE = 32;
/** The identity that keys share when there is no room for one of their own. */
const OVERFLOW = { high: 1, low: 0 };
/** A sweep goes round four times before a key's modular times could be misread. */
const SWEEPS_PER_STALE = 4;

export interface KeyedLimiterOptions {
  readonly keysExpected?: number;
  /** Most keys held; the memory budget alone decides when absent. */
  readonly keysMax?: number;
  /** 0 … 1, this table's place in the growth cycle among its siblings. */
  readonly stagger?: number;
  readonly budget?: MemoryBudget;
}

export class KeyedLimiter implements Reaper {
  /** Keys dropped although they were not idle: limits forgotten for lack of memory. */
  evictedLive = 0;
  /** Checks and reports of new keys that went to the shared overflow bucket. */
  overflowed = 0;

  #algorithm: Algorithm;
  readonly #table: KeyTable;
  readonly #keysMax: number;
  /** Where a key that is not in the table is evaluated. */
  readonly #fresh: Uint32Array;
  readonly #sampled = new Verdict();
  readonly #budget: MemoryBudget | undefined;
  /** What the algorithm holds outside the table, as booked in the budget. */
  #outsideBytes = 0;

  /**
   * Running maximum of the caller's time. Null until the constructor has run: a field that has held anything
   * but numbers keeps the caller's boxed number as it is, one that has not would box it anew for every call.
   */
  #nowUs: Micros = null as unknown as Micros;
  /** When the sweep must have gone round. */
  #sweepDueUs = 0;

  // What the last evaluate looked at.
  #high = 0;
  #low = 0;
  #at = -1;

  // What the last search for a victim found.
  #victimWords: Uint32Array;
  #victimAt = -1;
  #isVictimIdle = false;

  constructor(algorithm: Algorithm, options: KeyedLimiterOptions = {}) {
    this.#algorithm = algorithm;
    this.#nowUs = micros(-1);
    this.#table = new KeyTable({ ...options, stateWords: algorithm.stateWords }, this);
    this.#keysMax = options.keysMax ?? Infinity;
    this.#fresh = new Uint32Array(2 + algorithm.stateWords);
    this.#victimWords = this.#fresh;
    this.#budget = options.budget;
  }

  get algorithm(): Algorithm {
    return this.#algorithm;
  }

  get keys(): number {
    return this.#table.count;
  }

  bytes(): number {
    return this.#table.bytes + this.#algorithm.outsideBytes();
  }

  /** Evaluates, and charges if allowed. */
  decide(high: number, low: number, cost: number, nowUs: Micros, verdict: Verdict): void {
    this.evaluate(high, low, cost, nowUs, verdict);
    if (verdict.outcome === "allowed") this.commit(cost);
  }

  /** Writes the verdict of asking for `cost` now; changes nothing a caller could see. */
  evaluate(high: number, low: number, cost: number, nowUs: Micros, verdict: Verdict): void {
    if (nowUs > this.#nowUs) this.#advance(nowUs);
    this.#high = high;
    this.#low = low;
    this.#at = this.#table.find(high, low);
    if (this.#at >= 0) {
      this.#algorithm.evaluate(this.#table.words, this.#at, cost, this.#nowUs, verdict);
    } else {
      this.#evaluateAbsent(cost, verdict);
    }
  }

  /** Charges `cost` to the key of the last evaluate. */
  commit(cost: number): void {
    if (cost === 0) return;
    if (this.#at < 0) this.#at = this.#open();
    this.#algorithm.charge(this.#table.words, this.#at, cost, this.#nowUs);
    this.#bookOutside(this.#algorithm.outsideBytes());
  }

  /** Charges usage that already happened, whatever the limit says. */
  charge(high: number, low: number, cost: number, nowUs: Micros): void {
    if (nowUs > this.#nowUs) this.#advance(nowUs);
    this.#high = high;
    this.#low = low;
    this.#at = this.#table.find(high, low);
    this.commit(cost);
  }

  /** Drops idle keys among the next `slots` slots. The host calls it as often as it can spare the time. */
  sweep(nowUs: Micros, slots: number): void {
    if (nowUs > this.#nowUs) this.#advance(nowUs);
    if (this.#table.sweep(slots)) this.#scheduleSweep();
  }

  /** Puts other numbers of the same algorithm in force, keeping every key's debt. */
  retune(algorithm: Algorithm, nowUs: Micros): void {
    if (nowUs > this.#nowUs) this.#advance(nowUs);
    const previous = this.#algorithm;
    this.#table.forEach((words, at) => algorithm.retune(words, at, previous, this.#nowUs));
    this.#algorithm = algorithm;
    // Not later than it was due: retuning touches no key whose state it leaves alone.
    this.#sweepDueUs = Math.min(this.#sweepDueUs, this.#nowUs + algorithm.staleAfterUs / SWEEPS_PER_STALE);
  }

  clear(): void {
    this.#table.clear();
  }

  /** Gives all memory back; the limiter must not be used any more. */
  dispose(): void {
    this.#table.dispose();
    this.#bookOutside(0);
  }

  isIdle(words: Uint32Array, at: number): boolean {
    return this.#algorithm.isIdle(words, at, this.#nowUs);
  }

  release(words: Uint32Array, at: number): void {
    this.#algorithm.release(words, at);
  }

  #advance(nowUs: Micros): void {
    const elapsedUs = nowUs - this.#nowUs;
    this.#nowUs = nowUs;
    if (nowUs < this.#sweepDueUs) return;
    if (this.#sweepDueUs === 0 || elapsedUs >= this.#algorithm.staleAfterUs / 2) {
      // Nothing was touched for longer than any debt lasts.
      if (this.#table.count > 0) this.#table.clear();
    } else {
      // The round under way has left some keys behind when they were fresh; the next one meets all.
      for (let rounds = 0; rounds < 2; rounds += 1) while (!this.#table.sweep(Infinity));
    }
    this.#scheduleSweep();
  }

  #bookOutside(bytes: number): void {
    if (bytes === this.#outsideBytes) return;
    // A log must remember what it admitted: it is not asked whether there is room, but the tables will be.
    this.#budget?.force(bytes - this.#outsideBytes);
    this.#outsideBytes = bytes;
  }

  #scheduleSweep(): void {
    this.#sweepDueUs = this.#nowUs + this.#algorithm.staleAfterUs / SWEEPS_PER_STALE;
  }

  /** A new key starts fresh, unless there is no room for it. */
  #evaluateAbsent(cost: number, verdict: Verdict): void {
    const shared = this.overflowed > 0 ? this.#table.find(OVERFLOW.high, OVERFLOW.low) : -1;
    if (shared >= 0 && !this.#hasRoom() && !this.#findVictim()) {
      this.#at = this.#table.find(OVERFLOW.high, OVERFLOW.low);
      this.overflowed += 1;
      this.#algorithm.evaluate(this.#table.words, this.#at, cost, this.#nowUs, verdict);
      return;
    }
    this.#algorithm.open(this.#fresh, 0, this.#nowUs);
    this.#algorithm.evaluate(this.#fresh, 0, cost, this.#nowUs, verdict);
  }

  /** A slot for the key of the last evaluate: its own and fresh, or the shared one. */
  #open(): number {
    const table = this.#table;
    let at = this.#hasRoom() ? table.insert(this.#high, this.#low) : -1;
    if (at < 0 && this.#findVictim()) {
      if (!this.#isVictimIdle) this.evictedLive += 1;
      table.remove(this.#victimWords, this.#victimAt);
      at = table.insert(this.#high, this.#low);
    }
    if (at < 0) {
      this.overflowed += 1;
      at = table.find(OVERFLOW.high, OVERFLOW.low);
      if (at >= 0) return at;
      at = table.insert(OVERFLOW.high, OVERFLOW.low, true);
    }
    this.#algorithm.open(table.words, at, this.#nowUs);
    return at;
  }

  #hasRoom(): boolean {
    return this.#table.count < this.#keysMax && this.#table.hasRoom();
  }

  /** Looks for the neighbour that loses least: an idle one, else the one with most left; never a blocked one. */
  #findVictim(): boolean {
    let mostLeft = 0;
    this.#victimAt = -1;
    this.#isVictimIdle = false;
    this.#table.sample(this.#high, EVICTION_SAMPLE, (words, at) => {
      if (this.#isVictimIdle || isShared(words, at)) return;
      this.#algorithm.evaluate(words, at, 0, this.#nowUs, this.#sampled);
      this.#isVictimIdle = this.isIdle(words, at);
      if (!this.#isVictimIdle && this.#sampled.remaining <= mostLeft) return;
      this.#victimWords = words;
      this.#victimAt = at;
      mostLeft = this.#sampled.remaining;
    });
    return this.#victimAt >= 0;
  }
}

/** Whether a slot is the overflow bucket. */
function isShared(words: Uint32Array, at: number): boolean {
  return words[at] === OVERFLOW.high && (words[at + 1] as number) >>> 16 === OVERFLOW.low;
}
