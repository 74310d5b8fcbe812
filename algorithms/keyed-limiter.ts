/**
 * One policy's limiter over all keys of one shard: an algorithm and its key table.
 *
 * A decision is two steps, because a check over several policies charges none before all have agreed:
 *
 *      evaluate(key, cost, now) ──▶ verdict           looks, changes nothing
 *      commit()                                       charges what the last evaluate found
 *
 * Time is the running maximum of what callers say: a clock that steps back mints nothing. Keys whose state
 * is indistinguishable from new are swept away; a new key whose tenant is full shares the tenant's overflow
 * bucket, and under a spent memory budget it takes the place of another (key-room.ts). Both are counted.
 *
 * Keys travel by pages (state-page.ts), exactly as they stand: `writePage` walks the table between decisions,
 * `track` names what is charged meanwhile. After a crash keys never seen may owe something (arrears.ts).
 *
 * Cost: one table search and one evaluation; no allocation.
 */
import type { Verdict } from "../core/decision.ts";
import { micros, type Micros } from "../core/units.ts";
import type { Algorithm, AlgorithmParams } from "./algorithm.ts";
import { ArrearsSlot, type Arrears } from "./arrears.ts";
import { moveKey } from "./key-copy.ts";
import type { KeyQuota } from "./key-census.ts";
import { isOverflow, KeyRoom, type KeyRoomOptions } from "./key-room.ts";
import { KeyTable, placeAt, type KeyListener, type KeyTableOptions, type Reaper } from "./key-table.ts";
import { Booking } from "./memory-budget.ts";
import type { PageOf, StatePageWriter } from "./state-page.ts";
import type { StatePageReader } from "./state-page-reader.ts";

/** A sweep goes round four times before a key's modular times could be misread. */
const SWEEPS_PER_STALE = 4;
/** Keys that one page looks at, idle ones among them: a few milliseconds' worth. */
const LOOKS_PER_PAGE = 32_768;

export interface KeyedLimiterOptions extends Omit<KeyTableOptions, "stateWords">, KeyRoomOptions {}

export class KeyedLimiter implements Reaper {
  // What every decision reads comes first: that keeps it in few cache lines.
  #algorithm: Algorithm;
  readonly #table: KeyTable;
  /**
   * Running maximum of the caller's time. Null until the constructor has run: a field that has held anything
   * but numbers keeps the caller's boxed number as it is, one that has not would box it anew for every call.
   */
  #nowUs: Micros = null as unknown as Micros;
  // What the last evaluate looked at.
  #high = 0;
  #low = 0;
  #at = -1;
  /** Whether a commit has to book memory or tell somebody; most have not. */
  #hasAftermath: boolean;
  /** When the sweep must have gone round. */
  #sweepDueUs = 0;

  /** Of the tenant whose key comes next; undefined for one that needs not share. Read when it is absent. */
  quota: KeyQuota | undefined;
  readonly #room: KeyRoom;
  /** Where a key that is not in the table is evaluated. */
  readonly #fresh: Uint32Array;
  readonly #arrears = new ArrearsSlot();
  /** What the algorithm holds outside the table: a log is not asked whether there is room, the tables are. */
  readonly #outside: Booking;
  #touched: KeyListener | undefined;

  constructor(algorithm: Algorithm, options: KeyedLimiterOptions = {}) {
    this.#algorithm = algorithm;
    this.#nowUs = micros(-1);
    this.#table = new KeyTable({ ...options, stateWords: algorithm.stateWords }, this);
    this.#room = new KeyRoom(this.#table, this.#arrears, options);
    this.#fresh = new Uint32Array(2 + algorithm.stateWords);
    this.#outside = new Booking(options.budget);
    this.#hasAftermath = algorithm.log !== undefined;
  }

  get algorithm(): Algorithm {
    return this.#algorithm;
  }

  get keys(): number {
    return this.#table.count;
  }

  /** Keys dropped although they were not idle: limits forgotten for lack of memory. */
  get evictedLive(): number {
    return this.#room.evictedLive;
  }

  /** Checks and reports of new keys that went to an overflow bucket. */
  get overflowed(): number {
    return this.#room.overflowed;
  }

  /** Whose slot the last decision was about: the key's own identity, or that of the bucket it shared. */
  get high(): number {
    return this.#high;
  }

  get low(): number {
    return this.#low;
  }

  /** Whether that was the key's own. @param high, low as given to the decision */
  isAbout(high: number, low: number): boolean {
    return high === this.#high && low === this.#low;
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

  /** Charges `cost` to the key of the last evaluate; nothing else was asked of this limiter since. */
  commit(cost: number): void {
    if (cost === 0) return;
    if (this.#at < 0) {
      this.#charge(cost);
      return;
    }
    this.#algorithm.commit(this.#table.words, this.#at, cost, this.#nowUs);
    if (this.#hasAftermath) this.#followUp();
  }

  /** Makes a key one that was never seen, and names it: pages may remember one that is gone from here. */
  forget(high: number, low: number, nowUs: Micros): void {
    this.#find(high, low, nowUs);
    if (this.#at >= 0) {
      this.#algorithm.release(this.#table.words, this.#at);
      this.#arrears.start(this.#algorithm, this.#table.words, this.#at, this.#nowUs);
    }
    if (this.#hasAftermath) this.#followUp();
  }

  /** Charges usage that already happened, whatever the limit says. */
  charge(high: number, low: number, cost: number, nowUs: Micros): void {
    this.#find(high, low, nowUs);
    if (cost > 0) this.#charge(cost);
  }

  /** Takes the newest `cost` units of a key back, or all that still count; none out of a bucket that it shares. */
  refund(high: number, low: number, cost: number, nowUs: Micros): void {
    this.#find(high, low, nowUs);
    if (this.#at < 0) return;
    this.#algorithm.refund(this.#table.words, this.#at, cost, this.#nowUs);
    if (this.#hasAftermath) this.#followUp();
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
    this.#arrears.retune(algorithm, previous, this.#nowUs);
    this.#algorithm = algorithm;
    // Not later than it was due: retuning touches no key whose state it leaves alone.
    this.#sweepDueUs = Math.min(this.#sweepDueUs, this.#nowUs + algorithm.staleAfterUs / SWEEPS_PER_STALE);
  }

  /** Calls back with every key that is charged from now on, the overflow bucket included; undefined ends it. */
  track(touched: KeyListener | undefined): void {
    this.#touched = touched;
    this.#hasAftermath = touched !== undefined || this.#algorithm.log !== undefined;
  }

  /** Begins a page of keys of this limiter, made from `params`: first what keys never seen owe, if they do. */
  beginPage(page: StatePageWriter, policy: string, params: AlgorithmParams, of: PageOf = "all"): void {
    const keys = of === "all" ? this.#table.count : 0;
    page.begin(policy, params, this.#algorithm, keys, of === "reserved");
    const owed = this.#arrears.at(this.#algorithm, this.#nowUs);
    if (owed !== undefined) page.add(this.#algorithm, owed, 0, this.#nowUs);
  }

  /**
   * Fills a page that was begun here with keys in hash order. May be called between decisions: a key that is
   * in the table during the whole walk and not charged meanwhile is written as it stands, unless it is as good
   * as new. One call looks at a bounded number of keys, so a page may end with room left, even empty.
   *
   * @param from 0, then what the call before returned
   * @returns where to go on, −1 at the end
   */
  writePage(from: number, page: StatePageWriter): number {
    let place = from;
    for (let looks = 0; looks < LOOKS_PER_PAGE; looks += 1) {
      const at = this.#table.nextFrom(place);
      if (at < 0) return -1;
      const { words } = this.#table;
      place = placeAt(words, at);
      if (!this.isIdle(words, at) && !page.add(this.#algorithm, words, at, this.#nowUs)) return place;
      place += 1;
    }
    return place;
  }

  /**
   * Adds one key to a page that was begun here, as it stands. One that is not in the table is left out, or
   * written as never seen: where it `isForgotten`, or the page says what is `reserved`.
   *
   * @returns false when the page is full: finish it, begin another and write the key again
   */
  writeKey(high: number, low: number, page: StatePageWriter, isForgotten = false, reserved = 0): boolean {
    const at = this.#table.find(high, low);
    if (at >= 0) return page.add(this.#algorithm, this.#table.words, at, this.#nowUs, reserved);
    if (!isForgotten && !page.isReserving) return true;
    return this.#arrears.writeUnseen(this.#algorithm, { high, low, reserved }, page, this.#nowUs);
  }

  /**
   * Takes over the keys of an opened page, written under the same params (ShardKeys sees to that). A key that
   * is here already is overwritten. One that finds no room takes the place of a neighbour that loses less than
   * it would; else the overflow bucket becomes as strict as the key was, which is counted. Time never goes back.
   *
   * @returns keys that have a place of their own now
   */
  adoptPage(page: StatePageReader, nowUs: Micros): number {
    for (const us of [nowUs, page.nowUs]) if (us > this.#nowUs) this.#advance(us);
    // Older than that, everything in it has drained and its times may be misread.
    if (this.#nowUs - page.nowUs >= this.#algorithm.staleAfterUs / 2) return 0;
    const share = this.#table.reserve(page.keys);
    // Of too few places every page gets its share, or the last would get none.
    let roomUntil = this.#table.count;
    let adopted = 0;
    page.rewind();
    while (page.next()) {
      roomUntil += share;
      if (page.high === 0) this.#arrears.load(this.#algorithm, page);
      else if (this.#adoptKey(page, this.#table.count < roomUntil)) adopted += 1;
    }
    this.#outside.hold(this.#algorithm.outsideBytes());
    return adopted;
  }

  /** Visits the identity of every key in the table, as stored. The visitor may not move time on, or charge a new key. */
  forEachKey(visit: KeyListener): void {
    this.#table.forEach((words, at) => visit(words[at] as number, (words[at + 1] as number) >>> 16));
  }

  /** Charges every key in the table, whatever the limit says. Cost: one pass. */
  chargeAll({ units, atUs }: Arrears): void {
    if (atUs > this.#nowUs) this.#advance(atUs);
    if (units <= 0) return;
    this.#table.forEach((words, at) => this.#algorithm.charge(words, at, units, this.#nowUs));
    this.#outside.hold(this.#algorithm.outsideBytes());
  }

  /**
   * From now on a key never seen is one that was charged `units` at `atUs`, on top of what such keys owe
   * already. Ends by itself when everything has drained.
   */
  setArrears(arrears: Arrears): void {
    if (arrears.atUs > this.#nowUs) this.#advance(arrears.atUs);
    this.#arrears.charge(this.#algorithm, arrears, this.#nowUs);
    this.#outside.hold(this.#algorithm.outsideBytes());
  }

  /** Units that a key never seen has used. */
  usedByUnseen(): number {
    return this.#arrears.used(this.#algorithm, this.#nowUs);
  }

  /** Forgets every key, and what keys never seen owe. */
  clear(): void {
    this.#arrears.drop(this.#algorithm);
    this.#table.clear();
  }

  /** Drops the keys of so many slots, the last ones with all memory. @returns whether that was all (key-table.ts) */
  dispose(slots = Infinity): boolean {
    this.#arrears.drop(this.#algorithm);
    if (!this.#table.dispose(slots)) return false;
    this.#outside.hold(0);
    return true;
  }

  isIdle(words: Uint32Array, at: number): boolean {
    return this.#algorithm.isIdle(words, at, this.#nowUs);
  }

  release(words: Uint32Array, at: number): void {
    this.#algorithm.release(words, at);
  }

  #find(high: number, low: number, nowUs: Micros): void {
    if (nowUs > this.#nowUs) this.#advance(nowUs);
    this.#high = high;
    this.#low = low;
    this.#at = this.#table.find(high, low);
  }

  #advance(nowUs: Micros): void {
    const elapsedUs = nowUs - this.#nowUs;
    this.#nowUs = nowUs;
    if (nowUs < this.#sweepDueUs) return;
    if (this.#sweepDueUs === 0 || elapsedUs >= this.#algorithm.staleAfterUs / 2) {
      // Nothing was touched for longer than any debt lasts.
      if (this.#table.count > 0) this.#table.clear();
      this.#arrears.drop(this.#algorithm);
    } else {
      // The round under way has left some keys behind when they were fresh; the next one meets all.
      for (let rounds = 0; rounds < 2; rounds += 1) while (!this.#table.sweep(Infinity));
    }
    this.#scheduleSweep();
  }

  #followUp(): void {
    this.#outside.hold(this.#algorithm.outsideBytes());
    if (this.#touched !== undefined) this.#touched(this.#high, this.#low);
  }

  #scheduleSweep(): void {
    // Looked at in every round like any key, or its times would be misread one day.
    this.#arrears.at(this.#algorithm, this.#nowUs);
    this.#sweepDueUs = this.#nowUs + this.#algorithm.staleAfterUs / SWEEPS_PER_STALE;
  }

  /** A new key starts fresh or in arrears, unless it has to share a bucket that is there. */
  #evaluateAbsent(cost: number, verdict: Verdict): void {
    const shared = this.#room.shared(this.#high, this.quota, this.#algorithm, this.#nowUs);
    if (shared >= 0) {
      this.#lookAt(shared);
      this.#algorithm.evaluate(this.#table.words, shared, cost, this.#nowUs, verdict);
      return;
    }
    const owed = this.#arrears.at(this.#algorithm, this.#nowUs);
    if (owed === undefined) this.#algorithm.open(this.#fresh, 0, this.#nowUs);
    this.#algorithm.evaluate(owed ?? this.#fresh, 0, cost, this.#nowUs, verdict);
  }

  /** Apart from `commit`, so that compilers give their attention there to keys that are in the table. */
  #charge(cost: number): void {
    if (this.#at < 0)
      this.#lookAt(this.#room.open(this.#high, this.#low, this.quota, this.#algorithm, this.#nowUs));
    this.#algorithm.charge(this.#table.words, this.#at, cost, this.#nowUs);
    if (this.#hasAftermath) this.#followUp();
  }

  #lookAt(at: number): void {
    this.#at = at;
    this.#high = this.#room.high;
    this.#low = this.#room.low;
  }

  /** Whether the page's entry has a slot of its own now. */
  #adoptKey(page: StatePageReader, hasRoom: boolean): boolean {
    const { high, low } = page;
    const incoming = this.#fresh;
    page.load(this.#algorithm, incoming, 0);
    let at = this.#table.find(high, low);
    if (isOverflow(high, low)) {
      this.#room.hasAdoptedBucket = true;
      if (at >= 0 && this.#room.hasMadeBucket) return this.#cover(at, incoming);
    }
    if (at >= 0) {
      this.#algorithm.release(this.#table.words, at);
    } else {
      if (this.isIdle(incoming, 0)) {
        this.#algorithm.release(incoming, 0);
        return false;
      }
      if (isOverflow(high, low)) at = this.#table.insert(high, low, true);
      else {
        const room = this.#room;
        const left = room.leftOf(this.#algorithm, incoming, 0, this.#nowUs);
        at = room[hasRoom ? "insert" : "squeezeIn"](high, low, left, this.#algorithm, this.#nowUs);
      }
      if (at < 0) return this.#cover(this.#room.openOverflow(this.#algorithm, this.#nowUs), incoming);
    }
    moveKey(incoming, this.#table.words, at, this.#algorithm.stateWords);
    return true;
  }

  /** Makes the shared bucket as strict as `incoming`, which ends. */
  #cover(at: number, incoming: Uint32Array): false {
    this.#algorithm.cover(this.#table.words, at, incoming, 0, this.#nowUs);
    this.#algorithm.release(incoming, 0);
    return false;
  }
}
