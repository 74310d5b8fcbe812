/**
 * State pages: how keys travel between processes, in a handoff, a journal or a snapshot.
 *
 * A page carries keys of one policy and everything needed to go on deciding them elsewhere. Times in state
 * words are wall time and mean the same in any process whose clock is right (else: foreign-clock.ts).
 *
 *      │ version 1 │ flags 1 │ state words 2 │ count 4 │ now µs 8 │ name bytes 2 │ params bytes 2 │
 *      │ keys 4 │ policy name │ params as JSON │ entry │ entry │ …                     little-endian
 *
 *      entry    │ hash high 4 │ hash low 16 · state 16 │ reserved 4 │ state word 4 │ … │      + logs only:
 *               │ events 4 │ time µs 8 · cost 4 │ …                                        oldest first
 *
 * Flag 1 promises that identities ascend strictly. An entry with hash high 0 comes first and belongs to no
 * key: it is the state of every key never seen (arrears, keyed-limiter.ts). With flag 2 every entry says how
 * many units of the key are spoken for beside its state; without it that word is absent, and nothing is said.
 * Flag 4: the word `keys` is there and says how many keys travel in this page and others, for a reader to make
 * room before it fills a table in hash order. Pages of some keys, and of older writers, do not say.
 *
 * A page ends before the key that would take it beyond its size, but always takes one, so that a walk gets
 * on: a log may fill a page of its own. One that would not fit into a message is thinned out: neighbouring
 * events become one at the last one's time, so that units leave the window later than they should, never
 * earlier, and none is forgotten.
 */
import { assert } from "../core/assert.ts";
import type { Micros } from "../core/units.ts";
import type { Algorithm, AlgorithmParams, EventLog } from "./algorithm.ts";
import { bareParams } from "./state-page-text.ts";

export const STATE_PAGE_VERSION = 1;
/** Four pages in flight are one megabyte. */
const STATE_PAGE_BYTES = 2 ** 18;
/** What one message carries (1 MiB), less room for whatever is wrapped round a page. */
const ENTRY_BYTES_MAX = 2 ** 20 - 2 ** 16;

export const FLAG_ASCENDING = 1;
export const FLAG_RESERVING = 2;
export const FLAG_SIZED = 4;
export const HEADER_BYTES = 20;
export const SIZE_BYTES = 4;
export const IDENTITY_BYTES = 8;
export const WORD_BYTES = 4;
export const EVENT_BYTES = 12;
const TEXT_BYTES_MAX = 2 ** 16 - 1;

const utf8 = new TextEncoder();

export interface StatePageOptions {
  /** Size at which a page is full; 256 KiB when absent. */
  readonly bytes?: number;
  /** The most that one entry may take, a log with its events; 960 KiB when absent. */
  readonly entryBytesMax?: number;
}

/** One of the pages that carry all keys, of those that carry some, or some and what is reserved of them. */
export type PageOf = "all" | "some" | "reserved";

/** Writes one page after another. The memory is reused; `finish` copies. */
export class StatePageWriter {
  readonly #bytesTarget: number;
  readonly #entryBytesMax: number;
  #bytes: Uint8Array;
  #view: DataView;
  #end = 0;
  #count = 0;
  #hasKey = false;
  #nowUs = 0;
  #isAscending = true;
  #isReserving = false;
  #isSized = false;
  #lastPlace = -1;
  #algorithm: Algorithm | undefined;

  constructor(options: StatePageOptions = {}) {
    this.#bytesTarget = options.bytes ?? STATE_PAGE_BYTES;
    this.#entryBytesMax = options.entryBytesMax ?? ENTRY_BYTES_MAX;
    this.#bytes = new Uint8Array(Math.max(4_096, this.#bytesTarget));
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Entries written since `begin`. */
  get count(): number {
    return this.#count;
  }

  /** Bytes the page has so far. */
  get bytes(): number {
    return this.#end;
  }

  /** Whether the page says of its keys what is reserved of them. */
  get isReserving(): boolean {
    return this.#isReserving;
  }

  /**
   * Starts an empty page.
   *
   * @param algorithm made from exactly these params
   * @param keys in this page and others that come, 0 when that is not known
   */
  begin(
    policy: string,
    params: AlgorithmParams,
    algorithm: Algorithm,
    keys: number,
    isReserving = false,
  ): void {
    this.clear();
    this.#isReserving = isReserving;
    const name = utf8.encode(policy);
    const numbers = utf8.encode(JSON.stringify(bareParams(params)));
    assert(name.length <= TEXT_BYTES_MAX, "a policy name fits its length field");
    this.#isSized = keys > 0;
    const nameAt = HEADER_BYTES + (this.#isSized ? SIZE_BYTES : 0);
    this.#reserve(nameAt + name.length + numbers.length);
    if (this.#isSized) this.#view.setUint32(HEADER_BYTES, keys, true);
    this.#bytes.set(name, nameAt);
    this.#bytes.set(numbers, nameAt + name.length);
    this.#view.setUint16(16, name.length, true);
    this.#view.setUint16(18, numbers.length, true);
    this.#view.setUint16(2, algorithm.stateWords, true);
    this.#end = nameAt + name.length + numbers.length;
    this.#algorithm = algorithm;
  }

  /** Forgets what was written and begun. */
  clear(): void {
    this.#end = 0;
    this.#count = 0;
    this.#hasKey = false;
    this.#nowUs = 0;
    this.#isAscending = true;
    this.#isReserving = false;
    this.#lastPlace = -1;
    this.#algorithm = undefined;
  }

  /**
   * Adds the slot at `words[at]` as it stands at `nowUs`, unless the page is full.
   *
   * @param algorithm the one that the page was begun for
   * @param reserved units spoken for beside the state; only a page that was begun as reserving tells
   * @returns whether it was added
   */
  add(algorithm: Algorithm, words: Uint32Array, at: number, nowUs: Micros, reserved = 0): boolean {
    assert(algorithm === this.#algorithm, "a page is begun for the keys it is filled with");
    assert(reserved === 0 || this.#isReserving, "what is reserved is told by a page that was begun for it");
    const { log, stateWords } = algorithm;
    const events = log === undefined ? 0 : log.select(words, at, nowUs);
    const wordsBeside = (log === undefined ? 0 : 1) + (this.#isReserving ? 1 : 0);
    const fixedBytes = IDENTITY_BYTES + WORD_BYTES * (stateWords + wordsBeside);
    const eventsMax = Math.max(1, Math.floor((this.#entryBytesMax - fixedBytes) / EVENT_BYTES));
    // So many neighbours become one.
    const merged = Math.max(1, Math.ceil(events / eventsMax));
    const bytes = fixedBytes + EVENT_BYTES * Math.ceil(events / merged);
    if (this.#hasKey && this.#end + bytes > this.#bytesTarget) return false;
    this.#reserve(bytes);
    const high = words[at] as number;
    if (high !== 0) this.#hasKey = true;
    const tagAndState = words[at + 1] as number;
    this.#u32(high);
    this.#u32(tagAndState);
    if (this.#isReserving) this.#u32(Math.min(reserved, 0xffffffff));
    // Where a log keeps its events here is nothing to anybody else.
    for (let i = 0; i < stateWords; i += 1) this.#u32(log === undefined ? (words[at + 2 + i] as number) : 0);
    if (log !== undefined) this.#events(log, events, merged);
    this.#count += 1;
    if (nowUs > this.#nowUs) this.#nowUs = nowUs;
    const place = high * 2 ** 16 + (tagAndState >>> 16);
    if (place <= this.#lastPlace) this.#isAscending = false;
    this.#lastPlace = place;
    return true;
  }

  /** The finished page, in memory of its own. */
  finish(): Uint8Array {
    assert(this.#algorithm !== undefined, "a page is begun before it is finished");
    this.#bytes[0] = STATE_PAGE_VERSION;
    const flags = (this.#isAscending ? FLAG_ASCENDING : 0) | (this.#isReserving ? FLAG_RESERVING : 0);
    this.#bytes[1] = flags | (this.#isSized ? FLAG_SIZED : 0);
    this.#view.setUint32(4, this.#count, true);
    this.#view.setFloat64(8, this.#nowUs, true);
    return this.#bytes.slice(0, this.#end);
  }

  #events(log: EventLog, count: number, merged: number): void {
    this.#u32(Math.ceil(count / merged));
    for (let first = 0; first < count; first += merged) {
      const last = Math.min(first + merged, count) - 1;
      let cost = 0;
      for (let index = first; index <= last; index += 1) cost += log.cost(index);
      this.#view.setFloat64(this.#end, log.timeUs(last), true);
      this.#end += 8;
      this.#u32(Math.min(cost, 0xffffffff));
    }
  }

  #u32(value: number): void {
    this.#view.setUint32(this.#end, value, true);
    this.#end += WORD_BYTES;
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#end + bytes));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
