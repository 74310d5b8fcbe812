/**
 * The key table: every key's few words of state, off the JavaScript heap, growing without a pause.
 *
 * It is one slot array, or two while it changes size. Since slots are in hash order, resizing is a walk
 * from left to right, a few slots with every insertion; one hash divides what has moved from what has not:
 *
 *      current   ░░░░░░░░░░░░░░░│17│19│  │61│63│        ░ moved away
 *                               ▲ boundary
 *      next      │02│  │09│  │11│                        every hash < boundary lives here
 *
 * Load stays within 0.74 … 0.93 (growth × 1.25). Entries found idle on the walk are dropped instead of
 * moved, and the sweep does the same between walks; a table that has emptied shrinks the same way.
 *
 * Offsets returned by `find` and `insert` belong to `words` and hold until the next insert, remove or sweep.
 * Memory: at most 2.25 times the old array while growing. With many tables the starting sizes are spread
 * (`stagger`), so that they do not all grow at the same moment.
 */
import { isMarked, type KeyCensus } from "./key-census.ts";
import { SlotArray } from "./slot-array.ts";
import { MemoryBudget } from "./memory-budget.ts";

export const LOAD_MAX = 0.93;
const GROWTH = 1.25;
/** Below this load after a whole sweep the table shrinks. */
const LOAD_SHRINK = 0.3;
/** Load right after shrinking: room for a quarter more keys before it grows again. */
const LOAD_AFTER_SHRINK = 0.74;
const SLOTS_MIN = 8;
/**
 * Some ten microseconds' worth. A walk over s slots ends within s/256 insertions: one table in sixty is
 * holding two arrays at any time, and the old one does not get 1 % fuller meanwhile.
 */
const MOVED_SLOTS_PER_INSERT = 256;
/** Values of the 16 bits kept of the low hash. */
const TAGS = 2 ** 16;

/** Who knows what the state words mean. */
export interface Reaper {
  /** Whether dropping the entry loses nothing. */
  isIdle(words: Uint32Array, at: number): boolean;
  /** Called before an entry is dropped, if its state is more than its words. */
  release?(words: Uint32Array, at: number): void;
}

/** Told of a key: 32 bits each, of either sign. */
export type KeyListener = (high: number, low: number) => void;

export interface KeyTableOptions {
  readonly stateWords: number;
  readonly keysExpected?: number;
  /** 0 … 1, this table's place in the growth cycle among its siblings. */
  readonly stagger?: number;
  readonly budget?: MemoryBudget;
  /** Told of every marked key that comes or goes. */
  readonly census?: KeyCensus | undefined;
}

export class KeyTable {
  /** The array that the last `find` or `insert` was answered from. */
  words: Uint32Array;

  readonly #stateWords: number;
  readonly #reaper: Reaper;
  readonly #budget: MemoryBudget;
  readonly #census: KeyCensus | undefined;
  /** First size of this table's series; the others are GROWTH times the one before, rounded up. */
  readonly #smallest: number;
  #current: SlotArray;
  #next: SlotArray | undefined;
  /** While resizing: entries with a smaller hash live in `#next`. Otherwise 0. */
  #boundary = 0;
  /** Offset of the next slot the sweep looks at, and when it last went round. */
  #sweepAt = 0;

  constructor(options: KeyTableOptions, reaper: Reaper) {
    this.#stateWords = options.stateWords;
    this.#reaper = reaper;
    this.#budget = options.budget ?? new MemoryBudget(Infinity);
    this.#census = options.census;
    this.#smallest = SLOTS_MIN * GROWTH ** (options.stagger ?? 0);
    const slots = this.#sizeFor((options.keysExpected ?? 0) / LOAD_MAX);
    this.#current = new SlotArray(slots, options.stateWords);
    this.#budget.force(this.#current.words.byteLength);
    this.words = this.#current.words;
  }

  /** Live and not yet swept entries. */
  get count(): number {
    return this.#current.count + (this.#next?.count ?? 0);
  }

  get bytes(): number {
    return this.#current.words.byteLength + (this.#next?.words.byteLength ?? 0);
  }

  get isResizing(): boolean {
    return this.#next !== undefined;
  }

  /** Offset into `words` of the key's slot, or −1. @param high, low 32 bits each, of either sign */
  find(high: number, low: number): number {
    const stored = storedHigh(high);
    const array = this.#arrayOf(stored);
    if (this.words !== array.words) this.words = array.words; // looking is cheaper than telling the collector
    return array.find(stored, low & 0xffff);
  }

  /**
   * Makes a zeroed slot for an absent key. Offset into `words`, or −1 when the memory budget is spent;
   * `isForced` takes a slot of the reserve instead.
   */
  insert(high: number, low: number, isForced = false): number {
    const stored = storedHigh(high);
    if (this.#next !== undefined) this.#walk(MOVED_SLOTS_PER_INSERT);
    if (this.#next === undefined && this.#current.count + 1 > this.#current.slots * LOAD_MAX) {
      if (this.#startResize(this.#sizeFor(this.#current.slots + 1))) this.#walk(MOVED_SLOTS_PER_INSERT);
      else if (!isForced) return -1;
    }
    for (;;) {
      const array = this.#arrayOf(stored);
      const at = array.insert(stored, low & 0xffff);
      this.words = array.words;
      if (at >= 0) {
        if (isMarked(stored)) this.#census?.count(stored, low & 0xffff, 1);
        return at;
      }
      this.#relieveTail(array);
    }
  }

  /**
   * Makes room for so many entries at once. Keys that come in hash order fill an array from the left: in one that was
   * made for fewer, each would be pushed past all the others.
   *
   * @returns the share of them that there is memory for, 0 … 1
   */
  reserve(keys: number): number {
    let slots = this.#sizeFor(keys / LOAD_MAX);
    // Rarely; going on in an array that is too small would cost more than this pause.
    if (this.#next !== undefined && this.#next.slots < slots) this.#walk(Infinity);
    while (this.#next === undefined && slots > this.#current.slots && !this.#startResize(slots)) {
      slots = this.#sizeFor(Math.floor(slots / GROWTH));
    }
    return Math.min(1, ((this.#next ?? this.#current).slots * LOAD_MAX) / keys);
  }

  /** Drops the entry at an offset of `words`, which `find`, `insert` or `sample` named. */
  remove(words: Uint32Array, at: number): void {
    const array = words === this.#current.words ? this.#current : (this.#next as SlotArray);
    this.#letGo(words, at);
    array.remove(at);
    // Successors moved one slot left; without this the sweep would step over one of them.
    if (array === this.#current && at < this.#sweepAt) this.#sweepAt -= array.stride;
  }

  /** Looks at up to `slots` slots and drops the idle ones. True when this finished a round over all. */
  sweep(slots: number): boolean {
    if (this.#next !== undefined) {
      this.#walk(slots);
      return this.#next === undefined;
    }
    const array = this.#current;
    const { words, stride } = array;
    for (let seen = 0; seen < slots && this.#sweepAt < words.length; seen += 1) {
      if (words[this.#sweepAt] !== 0 && this.#reaper.isIdle(words, this.#sweepAt)) {
        this.#letGo(words, this.#sweepAt);
        array.remove(this.#sweepAt);
      } else {
        this.#sweepAt += stride;
      }
    }
    if (this.#sweepAt < words.length) return false;
    this.#sweepAt = 0;
    const wanted = this.#sizeFor(array.count / LOAD_AFTER_SHRINK);
    if (array.count < array.slots * LOAD_SHRINK && wanted < array.slots) this.#startResize(wanted);
    return true;
  }

  /** Drops the idle ones among `slots` slots from a key's place onwards. @param high of either sign */
  sweepNear(high: number, slots: number): void {
    const stored = storedHigh(high);
    const array = this.#arrayOf(stored);
    const { words, stride } = array;
    let at = array.probeStart(stored);
    for (let seen = 0; seen < slots && at < words.length; seen += 1) {
      if (words[at] !== 0 && this.#reaper.isIdle(words, at)) this.remove(words, at);
      else at += stride;
    }
  }

  /** Drops everything. */
  clear(): void {
    this.forEach((words, at) => this.#letGo(words, at));
    this.#startOver(this.#sizeFor(0));
    this.#budget.force(this.bytes);
  }

  /**
   * Drops what is in the next so many slots, and gives the memory back with the last of them: a million keys at
   * once would be a pause of tens of milliseconds. From the first call on the table must not be used otherwise.
   *
   * @returns whether that was all
   */
  dispose(slots = Infinity): boolean {
    if (this.#census !== undefined || this.#reaper.release !== undefined) {
      let left = slots;
      for (const array of this.#arrays()) {
        const { words, stride } = array;
        for (; array.floor < words.length; array.floor += stride) {
          if (left <= 0) return false;
          left -= 1;
          if (words[array.floor] !== 0) this.#letGo(words, array.floor);
        }
      }
    }
    this.#startOver(0);
    return true;
  }

  /** Offset into `words` of the first entry at or after a place (`placeOf`), or −1. */
  nextFrom(place: number): number {
    // What has moved ends before the boundary: beyond it the new array is empty, to be looked through for nothing.
    const isMoved = this.#next !== undefined && highOf(place) < this.#boundary;
    for (const array of isMoved ? this.#arrays() : [this.#current]) {
      const at = array.nextFrom(highOf(place), lowOf(place));
      if (at < 0) continue;
      this.words = array.words;
      return at;
    }
    return -1;
  }

  /** Visits every entry, in hash order. The visitor may rewrite state but not add or remove. */
  forEach(visit: (words: Uint32Array, at: number) => void): void {
    for (const array of this.#arrays()) {
      for (let at = array.floor; at < array.words.length; at += array.stride) {
        if (array.words[at] !== 0) visit(array.words, at);
      }
    }
  }

  /**
   * Visits up to `most` entries from so many slots before the key's place onwards: neighbours in hash order are a
   * fair sample.
   */
  sample(high: number, most: number, visit: (words: Uint32Array, at: number) => void, before = 0): void {
    const stored = storedHigh(high);
    let left = most;
    const own = this.#arrayOf(stored);
    for (const array of [own, ...this.#arrays().filter((other) => other !== own)]) {
      const { words, stride, floor } = array;
      const slots = (words.length - floor) / stride;
      const first = Math.max(0, (array.probeStart(stored) - floor) / stride - before);
      for (let i = 0; i < slots && left > 0; i += 1) {
        const at = floor + ((first + i) % slots) * stride;
        if (words[at] === 0) continue;
        visit(words, at);
        left -= 1;
      }
    }
  }

  /** How many of so many slots, from that many before the key's place onwards, are free. */
  freeBefore(high: number, slots: number): number {
    const stored = storedHigh(high);
    const array = this.#arrayOf(stored);
    const { words, stride, floor } = array;
    const first = Math.max(floor, array.probeStart(stored) - slots * stride);
    const end = Math.min(words.length, first + slots * stride);
    let free = 0;
    for (let at = first; at < end; at += stride) if (words[at] === 0) free += 1;
    return free;
  }

  /** Whether a new key would find a slot. */
  hasRoom(): boolean {
    const { count, slots } = this.#current;
    if (this.#next !== undefined || count + 1 <= slots * LOAD_MAX) return true;
    return this.#budget.has(this.#bytesFor(this.#sizeFor(slots + 1)));
  }

  /** Whatever is known of an entry elsewhere ends; its slot is the caller's business. */
  #letGo(words: Uint32Array, at: number): void {
    const high = words[at] as number;
    if (isMarked(high)) this.#census?.count(high, (words[at + 1] as number) >>> 16, -1);
    this.#reaper.release?.(words, at);
  }

  /** In hash order. */
  #arrays(): readonly SlotArray[] {
    return this.#next === undefined ? [this.#current] : [this.#next, this.#current];
  }

  /** The smallest size of the series with at least `slots` slots. */
  #sizeFor(slots: number): number {
    let size = this.#smallest;
    while (Math.ceil(size) < slots) size *= GROWTH;
    return Math.ceil(size);
  }

  #bytesFor(slots: number): number {
    return SlotArray.bytesFor(slots, this.#stateWords);
  }

  #arrayOf(stored: number): SlotArray {
    return this.#next !== undefined && stored < this.#boundary ? this.#next : this.#current;
  }

  #startResize(slots: number): boolean {
    if (!this.#budget.reserve(this.#bytesFor(slots))) return false;
    this.#next = new SlotArray(slots, this.#stateWords);
    return true;
  }

  /** Moves the next `slots` slots of `#current`, and what has the same high hash as the last of them. */
  #walk(slots: number): void {
    const source = this.#current;
    const { words, stride } = source;
    for (let at = source.floor, seen = 0; at < words.length; at += stride, seen += 1) {
      const high = words[at] as number;
      if (seen >= slots && high !== this.#boundary - 1) {
        source.floor = at;
        return;
      }
      if (high === 0) continue;
      if (this.#reaper.isIdle(words, at)) this.#letGo(words, at);
      else while ((this.#next as SlotArray).adopt(words, at) < 0) this.#enlargeNext();
      source.count -= 1;
      this.#boundary = high + 1;
    }
    const next = this.#next as SlotArray;
    this.#budget.release(words.byteLength);
    source.free();
    this.#become(next);
  }

  #startOver(slots: number): void {
    this.#budget.release(this.bytes);
    for (const array of this.#arrays()) array.free();
    this.#become(new SlotArray(slots, this.#stateWords));
  }

  #become(array: SlotArray): void {
    this.#current = array;
    this.#next = undefined;
    this.#boundary = 0;
    this.#sweepAt = 0;
    this.words = array.words;
  }

  /** A run of neighbours reached the end of an array's tail: rare enough to answer with a pause. */
  #relieveTail(array: SlotArray): void {
    if (array === this.#next) {
      this.#enlargeNext();
    } else {
      if (this.#next === undefined) this.#forceResize(this.#sizeFor(array.slots + 1));
      this.#walk(Infinity);
    }
  }

  #forceResize(slots: number): void {
    this.#budget.force(this.#bytesFor(slots));
    this.#next = new SlotArray(slots, this.#stateWords);
  }

  #enlargeNext(): void {
    const small = this.#next as SlotArray;
    const { words, stride, slots } = small;
    this.#budget.release(words.byteLength);
    this.#forceResize(this.#sizeFor(slots + 1));
    for (let at = 0; at < words.length; at += stride) {
      if (words[at] !== 0) (this.#next as SlotArray).adopt(words, at);
    }
    small.free();
  }
}

/** A key's place in hash order, 48 bits. @param high, low 32 bits each, of either sign */
export function placeOf(high: number, low: number): number {
  return storedHigh(high) * TAGS + (low & 0xffff);
}

/** The key at a place, as a table would store it: 32 bits, and the 16 that are kept of the low hash. */
export function highOf(place: number): number {
  return Math.floor(place / TAGS);
}

export function lowOf(place: number): number {
  return place % TAGS;
}

/** The place of the entry at an offset of `words`. */
export function placeAt(words: Uint32Array, at: number): number {
  return (words[at] as number) * TAGS + ((words[at + 1] as number) >>> 16);
}

/** Unsigned, and never 0: that marks an empty slot. */
function storedHigh(high: number): number {
  return high === 0 ? 1 : high >>> 0;
}
