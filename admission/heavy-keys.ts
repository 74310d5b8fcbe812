/**
 * Which keys of one (shard, policy) must be journalled, and which answers must wait for it.
 *
 * A successor takes the journal's state of a key (a key it lacks is fresh) and charges u. That is safe as
 * long as the *unjournalled* spend D of every key, what has been answered since the state last ACKED, is at
 * most u. D is known without memory while a key is light, because the journal says at least "fresh":
 *
 *      used     0 ······· u/4 ········· u/2 ············ u ··················· capacity
 *               │  light   │ counted if  │ first sight:   │ an answer waits unless
 *               │ no look  │ known       │ entry, due     │ an entry shows D ≤ u
 *
 * From there on an entry counts D: every charge adds its cost, and `used` caps the sum (D ≤ used always).
 * The absolute state in the journal drains in time exactly as the true one does, so time never raises D.
 * A key that drains into the light zone and spends there is not looked up; its next heavy charge shows that
 * it came from there (used − cost < u/4) and counts all of `used`. D ≥ u/2 makes a key due; the gap between
 * u/4 and u/2 means that every write is paid for by u/4 units, however a key oscillates.
 *
 *      charge ──▶ unacked += cost ──▶ due ──▶ taken: sinceTaken = 0 ──▶ acked: unacked = sinceTaken
 *                                                 │ meanwhile both count     └─▶ due again at u/2
 *                                                 └─▶ lost: due again, unacked stands
 *
 * Forgetting an entry is always safe, it only costs a write; idle ones are swept.
 *
 * `used` is what is charged after it, and reserved (reservations.ts), without what is lent or pending beside that,
 * and without what a key never seen has used at that moment (arrears of a takeover are journalled as such).
 * A reservation is journalled beside the state and does not drain; telling the journal of less than there is
 * needs no haste (`lowered`).
 *
 * Cost: one comparison for light keys, one table search for others, nothing allocated. 16 B per heavy key.
 * Twin: a plain model in test/admission/heavy-keys.prop.test.ts.
 */
import { KeyTable, type Reaper } from "../algorithms/key-table.ts";
import type { MemoryBudget } from "../algorithms/memory-budget.ts";
import { assert } from "../core/assert.ts";
import { micros, type Micros } from "../core/units.ts";
import { KeyQueue } from "./key-queue.ts";

const UNACKED = 2;
const SINCE_TAKEN = 3;
/** In the 16 bits beside the hash: queued, being written, and the coarse time of the last charge. */
const DUE = 0x8000;
const IN_FLIGHT = 0x4000;
const TICK_MASK = 0x3fff;
/** A coarse tick is a quarter of the idle time, so that idleness is judged to a quarter. */
const TICKS_IDLE = 4;
/** Counts saturate here: "unknown, certainly too much". */
const UNKNOWN = 2 ** 32 - 1;

export interface HeavyKeysOptions {
  /** u; see durability.ts. */
  readonly unjournalledMax: number;
  /** An entry not charged for this long may go; about two horizons. */
  readonly idleAfterUs: number;
  /** 0 … 1, this table's place in the growth cycle among its siblings. */
  readonly stagger?: number;
  readonly budget?: MemoryBudget;
}

export class HeavyKeys implements Reaper {
  readonly #table: KeyTable;
  readonly #queue = new KeyQueue();
  #unjournalledMax = 0;
  #lightBelow = 0;
  #dueFrom = 0;
  #tickUs = 1;
  #nowUs: Micros = micros(0);

  constructor(options: HeavyKeysOptions) {
    this.#table = new KeyTable({ ...options, stateWords: 2 }, this);
    this.#setNumbers(options);
  }

  get entries(): number {
    return this.#table.count;
  }

  bytes(): number {
    return this.#table.bytes;
  }

  /** Whether any key waits to be written. */
  get isDue(): boolean {
    return this.due > 0;
  }

  /** Keys that wait to be written; those that were swept meanwhile count until their turn. */
  get due(): number {
    return this.#queue.queued - this.#queue.taken;
  }

  /** Positions below are journalled: answers that wait for one of them (see `charged`) may go out. */
  get journalled(): number {
    return this.#queue.journalled;
  }

  /** Whether a key with so much used may be left out of a snapshot: its next heavy charge counts from zero. */
  isLight(used: number): boolean {
    return used < this.#lightBelow;
  }

  /**
   * Counts a charge (or a reservation that the journal will be told as one). Called for every charge.
   *
   * @param used after it; Infinity when the limiter cannot tell, because a report has left nothing
   * @returns 0 when the answer may go out at once, else the position that must be journalled before
   */
  charged(high: number, low: number, cost: number, used: number, nowUs: Micros): number {
    if (used < this.#lightBelow) return 0;
    if (nowUs > this.#nowUs) this.#nowUs = nowUs;
    let at = this.#table.find(high, low);
    if (at < 0) {
      if (used < this.#dueFrom) return 0;
      at = this.#table.insert(high, low, true);
      this.#table.words[at + UNACKED] = saturated(used);
    } else {
      this.#count(this.#table.words, at, cost, used);
    }
    const { words } = this.#table;
    const flags = this.#touch(words, at);
    const isInFlight = (flags & IN_FLIGHT) !== 0;
    const pending = words[at + (isInFlight ? SINCE_TAKEN : UNACKED)] as number;
    if (pending >= this.#dueFrom) this.#enqueue(words, at, high, low);
    if ((words[at + UNACKED] as number) <= this.#unjournalledMax) return 0;
    // Once what is in flight is acked, only `pending` is unjournalled.
    return isInFlight && pending <= this.#unjournalledMax ? this.#queue.taken : this.#queue.queued;
  }

  /** The journal knows the key's state as it is now: after a recovery. */
  recovered(high: number, low: number, nowUs: Micros): void {
    this.#know(high, low, 0, nowUs);
  }

  /** The key's state went down (a reservation was dropped): the journal should be told, nobody waits. */
  lowered(high: number, low: number, used: number, nowUs: Micros): void {
    if (nowUs > this.#nowUs) this.#nowUs = nowUs;
    let at = this.#table.find(high, low);
    if (at < 0) {
      // Another owner may have told the journal of the reservation.
      at = this.#table.insert(high, low, true);
      this.#table.words[at + UNACKED] = saturated(used);
    }
    this.#touch(this.#table.words, at);
    this.#enqueue(this.#table.words, at, high, low);
  }

  /**
   * The key was made new, whatever the journal knows of it, and whether or not it was heavy.
   *
   * @param reserved of it nevertheless
   * @returns the position that must be journalled before that survives a crash
   */
  forgotten(high: number, low: number, reserved: number, nowUs: Micros): number {
    // Nothing spent is nothing unjournalled, in a key that starts from nothing.
    const at = this.#know(high, low, reserved, nowUs);
    this.#enqueue(this.#table.words, at, high, low);
    return this.#queue.queued;
  }

  /**
   * Offers the due keys in order to `write`, which puts the state of each as it is now into a message.
   * What it refuses for lack of room stays due. The keys taken are in flight until `acked` or `lost`.
   *
   * @returns how many were taken
   */
  take(write: (high: number, low: number) => boolean): number {
    const queue = this.#queue;
    assert(queue.taken === queue.journalled, "one flush is in flight at a time");
    let count = 0;
    for (; queue.taken < queue.queued; queue.taken += 1) {
      const high = queue.highAt(queue.taken);
      const low = queue.lowAt(queue.taken);
      const at = this.#table.find(high, low);
      const { words } = this.#table;
      if (at < 0 || ((words[at + 1] as number) & DUE) === 0) continue;
      if (!write(high, low)) break;
      words[at + 1] = ((words[at + 1] as number) & ~DUE) | IN_FLIGHT;
      words[at + SINCE_TAKEN] = 0;
      count += 1;
    }
    // Only leftovers of keys that were taken at an earlier position: nothing is in flight.
    if (count === 0) queue.journalled = queue.taken;
    return count;
  }

  /** What was taken is in the journal: only what was spent since counts as unjournalled. */
  acked(): void {
    const queue = this.#queue;
    for (; queue.journalled < queue.taken; queue.journalled += 1) {
      const high = queue.highAt(queue.journalled);
      const low = queue.lowAt(queue.journalled);
      const at = this.#table.find(high, low);
      const { words } = this.#table;
      if (at < 0 || ((words[at + 1] as number) & IN_FLIGHT) === 0) continue;
      words[at + 1] = (words[at + 1] as number) & ~IN_FLIGHT;
      words[at + UNACKED] = words[at + SINCE_TAKEN] as number;
      if ((words[at + UNACKED] as number) >= this.#dueFrom) this.#enqueue(words, at, high, low);
    }
  }

  /** What was taken is not in the journal and never will be: it is due again. */
  lost(): void {
    const queue = this.#queue;
    for (let i = queue.journalled; i < queue.taken; i += 1) {
      const at = this.#table.find(queue.highAt(i), queue.lowAt(i));
      const { words } = this.#table;
      if (at >= 0) words[at + 1] = ((words[at + 1] as number) & ~IN_FLIGHT) | DUE;
    }
    queue.taken = queue.journalled;
  }

  /**
   * Nothing that the journal holds counts any more: it was lost, or speaks of other numbers (a policy
   * changed live). Every entry is due with unknown spend; a snapshot must follow for keys without one.
   */
  invalidate(options: HeavyKeysOptions): void {
    this.lost();
    this.#setNumbers(options);
    this.#table.forEach((words, at) => {
      words[at + UNACKED] = UNKNOWN;
      this.#enqueue(words, at, words[at] as number, (words[at + 1] as number) >>> 16);
    });
  }

  /** Looks at up to `slots` slots and drops idle entries. */
  sweep(nowUs: Micros, slots: number): void {
    if (nowUs > this.#nowUs) this.#nowUs = nowUs;
    this.#table.sweep(slots);
  }

  /** Gives all memory back; the object must not be used any more. */
  dispose(): void {
    this.#table.dispose();
  }

  isIdle(words: Uint32Array, at: number): boolean {
    const flags = words[at + 1] as number;
    if ((flags & (DUE | IN_FLIGHT)) !== 0) return false;
    return ((this.#tick() - flags) & TICK_MASK) > TICKS_IDLE;
  }

  /** So much of the key is unjournalled, neither more nor less. @returns its entry, made if need be */
  #know(high: number, low: number, units: number, nowUs: Micros): number {
    if (nowUs > this.#nowUs) this.#nowUs = nowUs;
    let at = this.#table.find(high, low);
    if (at < 0) at = this.#table.insert(high, low, true);
    const { words } = this.#table;
    words[at + UNACKED] = saturated(units);
    words[at + SINCE_TAKEN] = saturated(units);
    this.#touch(words, at);
    return at;
  }

  #setNumbers({ unjournalledMax, idleAfterUs }: HeavyKeysOptions): void {
    this.#unjournalledMax = unjournalledMax;
    this.#lightBelow = unjournalledMax / 4;
    this.#dueFrom = unjournalledMax / 2;
    this.#tickUs = Math.max(1, Math.ceil(idleAfterUs / TICKS_IDLE));
  }

  #count(words: Uint32Array, at: number, cost: number, used: number): void {
    words[at + UNACKED] = this.#added(words[at + UNACKED] as number, cost, used);
    words[at + SINCE_TAKEN] = this.#added(words[at + SINCE_TAKEN] as number, cost, used);
  }

  /** A count after a charge; `used` bounds it, and replaces it after spending that was not counted. */
  #added(count: number, cost: number, used: number): number {
    if (used - cost < this.#lightBelow) return saturated(used);
    // Infinity hides whether the key came from the light zone; then less than u/4 was not counted.
    const before = used === Infinity ? Math.max(count, Math.ceil(this.#lightBelow)) : count;
    return saturated(Math.min(before + cost, used));
  }

  /** Notes the time of a charge; the key's flags. */
  #touch(words: Uint32Array, at: number): number {
    const flags = ((words[at + 1] as number) & ~TICK_MASK) | (this.#tick() & TICK_MASK);
    words[at + 1] = flags;
    return flags;
  }

  #tick(): number {
    return Math.floor(this.#nowUs / this.#tickUs) % (TICK_MASK + 1);
  }

  #enqueue(words: Uint32Array, at: number, high: number, low: number): void {
    if (((words[at + 1] as number) & DUE) !== 0) return;
    words[at + 1] = (words[at + 1] as number) | DUE;
    this.#queue.push(high, low);
  }
}

function saturated(count: number): number {
  return count < UNKNOWN ? count : UNKNOWN;
}
