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
  /** New keys that had to share the overflow bucket. */
  overflowed = 0;

  #algorithm: Algorithm;
  readonly #table: KeyTable;
  readonly #keysMax: number;
  /** Where a key that is not in the table is evaluated. */
  readonly #fresh: Uint32Array;
  readonly #sampled = new Verdict();

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

  constructor(algorithm: Algorithm, options: KeyedLimiterOptions = {}) {
    this.#algorithm = algorithm;
    this.#nowUs = micros(0);
    this.#table = new KeyTable({ ...options, stateWords: algorithm.stateWords }, this);
    this.#keysMax = options.keysMax ?? Infinity;
    this.#fresh = new Uint32Array(2 + algorithm.stateWords);
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
    this.#scheduleSweep();
  }

  clear(): void {
    this.#table.clear();
  }

  /** Gives all memory back; the limiter must not be used any more. */
  dispose(): void {
    this.#table.dispose();
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
      while (!this.#table.sweep(Infinity));
    }
    this.#scheduleSweep();
  }

  #scheduleSweep(): void {
    this.#sweepDueUs = this.#nowUs + this.#algorithm.staleAfterUs / SWEEPS_PER_STALE;
  }

  /** A new key starts fresh, unless there was no room left for new keys. */
  #evaluateAbsent(cost: number, verdict: Verdict): void {
    if (this.overflowed > 0) {
      this.#at = this.#table.find(OVERFLOW.high, OVERFLOW.low);
      if (this.#at >= 0) {
        this.overflowed += 1;
        this.#algorithm.evaluate(this.#table.words, this.#at, cost, this.#nowUs, verdict);
        return;
      }
    }
    this.#algorithm.open(this.#fresh, 0, this.#nowUs);
    this.#algorithm.evaluate(this.#fresh, 0, cost, this.#nowUs, verdict);
  }

  /** A fresh slot for the key of the last evaluate: its own, or the shared one. */
  #open(): number {
    const table = this.#table;
    let at = table.count < this.#keysMax ? table.insert(this.#high, this.#low) : -1;
    if (at < 0 && this.#evict()) at = table.insert(this.#high, this.#low);
    if (at < 0) {
      this.overflowed += 1;
      at = table.insert(OVERFLOW.high, OVERFLOW.low, true);
    }
    this.#algorithm.open(table.words, at, this.#nowUs);
    return at;
  }

  /** Drops the neighbour that loses least: an idle one, else the one with most left. Never a blocked one. */
  #evict(): boolean {
    const table = this.#table;
    let victim = -1;
    let mostLeft = 0;
    let isVictimIdle = false;
    table.sample(this.#high, EVICTION_SAMPLE, (words, at) => {
      if (isVictimIdle || (words[at] === OVERFLOW.high && (words[at + 1] as number) >>> 16 === OVERFLOW.low))
        return;
      this.#algorithm.evaluate(words, at, 0, this.#nowUs, this.#sampled);
      isVictimIdle = this.isIdle(words, at);
      if (!isVictimIdle && this.#sampled.remaining <= mostLeft) return;
      victim = at;
      mostLeft = this.#sampled.remaining;
    });
    if (victim < 0) return false;
    if (!isVictimIdle) this.evictedLive += 1;
    table.remove(victim);
    return true;
  }
}
