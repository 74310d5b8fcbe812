/**
 * A hash table kept in hash order: linear probing in one typed array, without pointers or tombstones.
 *
 * The home of a key is its hash scaled to the number of slots (fast range), which is monotone. Entries are
 * stored in ascending hash order, each at its home or pushed right by its predecessors:
 *
 *      slot      0     1     2     3     4     5
 *      hash   │ 02 │ 17 │ 19 │    │ 61 │ 63 │ …      19's home is slot 1
 *
 * so a search stops at the first larger hash, a deletion pulls its successors left, and the whole array can
 * be copied into one of another size by reading it from left to right (key-table.ts grows that way).
 * There is no wrap-around; a short tail behind the last home takes what is pushed over the end.
 *
 * A slot is [hash high 32][hash low 16 | state 16][state 32 …]. 48 bits of a secret hash are stored whole:
 * with n keys in one array, two of them share a limit with probability about n² / 2^49 (10^6 keys: 0.2 %).
 * hash high = 0 marks an empty slot.
 *
 * Invariant: hashes ascend over occupied slots, and no empty slot lies between an entry and its home.
 * Cost at load α: a search reads about (1 + 1/(1 − α)) / 2 neighbouring slots, an insertion moves about
 * 1/(2 (1 − α)²). Source: Celis, Robin Hood hashing, 1986; Amble and Knuth, ordered hash tables, 1974.
 * Twin: a Map, in test/algorithms/key-table.prop.test.ts.
 */
import { assert } from "../core/assert.ts";

const HASH_WORDS = 2;
const TAIL_SLOTS_MIN = 32;
/** At load 0.96 a run that leaves 1,024 slots of tail is beyond any table's lifetime. */
const TAIL_SLOTS_MAX = 1_024;

export class SlotArray {
  readonly words: Uint32Array<ArrayBuffer>;
  /** 32-bit words per slot. */
  readonly stride: number;
  /** Number of homes; the tail comes on top. */
  readonly slots: number;
  /** Occupied slots. */
  count = 0;
  /** Everything left of this offset has been moved away and must not be looked at. */
  floor = 0;

  readonly #scale: number;

  constructor(slots: number, stateWords: number) {
    const tail = Math.min(TAIL_SLOTS_MAX, Math.max(TAIL_SLOTS_MIN, slots >>> 4));
    this.slots = slots;
    this.stride = HASH_WORDS + stateWords;
    this.words = new Uint32Array((slots + tail) * this.stride);
    this.#scale = slots / 2 ** 32;
  }

  /** Bytes that an array of so many slots takes. */
  static bytesFor(slots: number, stateWords: number): number {
    const tail = Math.min(TAIL_SLOTS_MAX, Math.max(TAIL_SLOTS_MIN, slots >>> 4));
    return (slots + tail) * (HASH_WORDS + stateWords) * Uint32Array.BYTES_PER_ELEMENT;
  }

  /** Offset of the key's slot, or −1. @param high 1 … 2^32 − 1. @param tag the low 16 bits kept of the hash */
  find(high: number, tag: number): number {
    const words = this.words;
    const stride = this.stride;
    for (let at = this.probeStart(high); at < words.length; at += stride) {
      const stored = words[at] as number;
      if (stored === high) {
        if ((words[at + 1] as number) >>> 16 === tag) return at;
      } else if (stored === 0 || stored > high) {
        return -1;
      }
    }
    return -1;
  }

  /**
   * Offset of the first entry in the order of high and then tag that is not before the one given, or −1.
   * Entries of one high hash are neighbours, in no order among themselves.
   */
  nextFrom(high: number, tag: number): number {
    const words = this.words;
    const stride = this.stride;
    let best = -1;
    for (let at = this.probeStart(high); at < words.length; at += stride) {
      const stored = words[at] as number;
      if (best >= 0 && stored !== words[best]) break;
      if (stored === 0 || stored < high) continue;
      const storedTag = (words[at + 1] as number) >>> 16;
      if (stored === high && storedTag < tag) continue;
      if (best < 0 || storedTag < (words[best + 1] as number) >>> 16) best = at;
    }
    return best;
  }

  /** Makes a slot for an absent key, its state all zero. Offset of the slot, or −1 when the tail is full. */
  insert(high: number, tag: number): number {
    const words = this.words;
    const stride = this.stride;
    let at = this.probeStart(high);
    while (at < words.length && words[at] !== 0 && (words[at] as number) <= high) at += stride;
    let free = at;
    while (free < words.length && words[free] !== 0) free += stride;
    if (free >= words.length) return -1;
    if (free > at) words.copyWithin(at + stride, at, free);
    words[at] = high;
    words[at + 1] = (tag << 16) >>> 0;
    words.fill(0, at + HASH_WORDS, at + stride);
    this.count += 1;
    return at;
  }

  /** Frees an occupied slot; entries pushed right by it move one slot left. */
  remove(at: number): void {
    const words = this.words;
    const stride = this.stride;
    assert(words[at] !== 0, "only an occupied slot can be removed");
    let end = at + stride;
    while (end < words.length && words[end] !== 0 && this.#home(words[end] as number) < end) end += stride;
    words.copyWithin(at, at + stride, end);
    words.fill(0, end - stride, end);
    this.count -= 1;
  }

  /** Copies the entry at `from` of `source`, whose hash is larger than any stored here. −1 when full. */
  adopt(source: Uint32Array, from: number): number {
    const at = this.insert(source[from] as number, (source[from + 1] as number) >>> 16);
    if (at < 0) return -1;
    for (let word = 1; word < this.stride; word += 1) this.words[at + word] = source[from + word] as number;
    return at;
  }

  /**
   * Gives the memory back at once. Left to the garbage collector, arrays that were grown out of wait for its next
   * full round, several at a time. Whoever still holds `words` reads nothing there.
   */
  free(): void {
    this.words.buffer.transfer(0);
  }

  /** Offset of the first slot that an entry may be in. */
  probeStart(high: number): number {
    const home = this.#home(high);
    return home < this.floor ? this.floor : home;
  }

  #home(high: number): number {
    return Math.floor(high * this.#scale) * this.stride;
  }
}
