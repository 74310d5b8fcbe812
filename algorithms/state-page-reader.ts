/**
 * Reads state pages (state-page.ts has the layout). It trusts nothing: a page is checked from end to end before its
 * first entry is handed out. What a wrong clock has written can be translated (foreign-clock.ts).
 */
import { micros, type Micros } from "../core/units.ts";
import type { Algorithm, AlgorithmParams } from "./algorithm.ts";
import { clockShiftUs, toldMoment } from "./foreign-clock.ts";
import {
  STATE_PAGE_VERSION,
  FLAG_ASCENDING,
  FLAG_RESERVING,
  FLAG_SIZED,
  HEADER_BYTES,
  SIZE_BYTES,
  IDENTITY_BYTES,
  WORD_BYTES,
  EVENT_BYTES,
} from "./state-page.ts";
import { algorithmOf, isTime, malformed, otherVersion, paramsOf, textOf } from "./state-page-text.ts";

const FLAGS = FLAG_ASCENDING | FLAG_RESERVING | FLAG_SIZED;

/** Windows are counted exactly up to here (window-id.ts). */
const NOW_MAX_US = 2 ** 52;

const NOTHING: DataView = new DataView(new ArrayBuffer(0));

/**
 * Reads pages: `open` one, then `next` until it is false. One reader serves any number of pages.
 *
 * Entries with `high` 0 are what keys never seen owe; at most the first is one.
 */
export class StatePageReader {
  policy = "";
  /** The numbers under which the entries were written. */
  params: AlgorithmParams = { algorithm: "gcra", limit: 0, windowUs: micros(0) };
  /** The writer's wall time at the last entry. */
  nowUs: Micros = micros(0);
  /** Entries in the page. */
  count = 0;
  /** Keys that travel, in this page and others; 0 where the page does not say. */
  keys = 0;
  /** Whether its entries say what is reserved of their keys. */
  isReserving = false;
  /** Identity of the entry that `next` went to: 32 bits, and 16. */
  high = 0;
  low = 0;

  #view = NOTHING;
  #isLog = false;
  #shiftUs = 0;
  /** Bytes of an entry before its state words. */
  #headBytes = IDENTITY_BYTES;
  #stateWords = 0;
  #firstAt = 0;
  #at = 0;
  #end = 0;

  /**
   * Checks a whole page and stands before its first entry. After an error the reader is empty.
   *
   * @throws ParlError PARL_MALFORMED, PARL_UNSUPPORTED_VERSION
   */
  open(bytes: Uint8Array): void {
    this.count = 0;
    this.#view = NOTHING;
    this.#shiftUs = 0;
    this.rewind();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length === 0) throw malformed("is empty");
    if (bytes[0] !== STATE_PAGE_VERSION)
      throw otherVersion(`be of version ${STATE_PAGE_VERSION}, got ${bytes[0]}`);
    if (bytes.length < HEADER_BYTES) throw malformed("ends within its header");
    const flags = bytes[1] as number;
    if ((flags & ~FLAGS) !== 0) throw otherVersion(`have flags that are known here, got ${flags}`);
    const isSized = (flags & FLAG_SIZED) !== 0;
    const nowUs = view.getFloat64(8, true);
    if (!isTime(nowUs, NOW_MAX_US)) throw malformed(`was written at an impossible time, ${nowUs}`);
    const nameAt = HEADER_BYTES + (isSized ? SIZE_BYTES : 0);
    const nameEnd = nameAt + view.getUint16(16, true);
    const firstAt = nameEnd + view.getUint16(18, true);
    if (firstAt > bytes.length) throw malformed("ends within its header");
    const policy = textOf(bytes.subarray(nameAt, nameEnd), "policy name");
    const params = paramsOf(textOf(bytes.subarray(nameEnd, firstAt), "params"));
    const algorithm = algorithmOf(params);
    const stateWords = view.getUint16(2, true);
    if (stateWords !== algorithm.stateWords) {
      throw malformed(`has ${stateWords} state words for ${params.algorithm}, not ${algorithm.stateWords}`);
    }
    const count = view.getUint32(4, true);
    this.#isLog = algorithm.log !== undefined;
    this.#stateWords = stateWords;
    this.isReserving = (flags & FLAG_RESERVING) !== 0;
    this.#headBytes = IDENTITY_BYTES + (this.isReserving ? WORD_BYTES : 0);
    this.nowUs = micros(nowUs);
    this.#check(view, firstAt, count, (flags & FLAG_ASCENDING) !== 0);
    this.policy = policy;
    this.params = params;
    this.count = count;
    this.keys = isSized ? view.getUint32(HEADER_BYTES, true) : 0;
    this.#view = count === 0 ? NOTHING : view;
    this.#firstAt = firstAt;
    this.rewind();
  }

  /** Makes all of the page mean here what it meant to its writer (foreign-clock.ts): `nowUs`, and what is loaded. */
  translate(nowUs: Micros, isJustWritten: boolean): void {
    const { alignUs } = algorithmOf(this.params);
    // One without entries does not say when it was written.
    if (this.count > 0) this.#shiftUs = clockShiftUs(this.nowUs, nowUs, alignUs, isJustWritten);
    this.nowUs = this.#shiftUs === 0 ? toldMoment(this.nowUs, nowUs) : nowUs;
  }

  /** Goes back to before the first entry. */
  rewind(): void {
    this.#end = this.count === 0 ? 0 : this.#firstAt;
    this.high = 0;
    this.low = 0;
  }

  /** Goes to the next entry; false when there is none. */
  next(): boolean {
    const at = this.#end;
    if (at >= this.#view.byteLength) return false;
    this.high = this.#view.getUint32(at, true);
    this.low = this.#view.getUint16(at + 6, true);
    this.#at = at;
    this.#end = this.#entryEnd(this.#view, at);
    return true;
  }

  /** Units of the entry's key that are spoken for beside its state; 0 where the page says nothing of it. */
  get reserved(): number {
    return this.isReserving ? this.#view.getUint32(this.#at + IDENTITY_BYTES, true) : 0;
  }

  /**
   * Writes the entry's state into a slot, its identity excepted, and its events into the algorithm's log.
   *
   * @param algorithm made from this page's params; what the slot held outside its words has been released
   */
  load(algorithm: Algorithm, words: Uint32Array, at: number): void {
    const view = this.#view;
    const from = this.#at;
    words[at + 1] = ((words[at + 1] as number) & 0xffff0000) | view.getUint16(from + 4, true);
    for (let i = 0; i < this.#stateWords; i += 1) {
      words[at + 2 + i] = view.getUint32(from + this.#headBytes + WORD_BYTES * i, true);
    }
    if (algorithm.log !== undefined) {
      algorithm.open(words, at, this.nowUs);
      for (let event = this.#eventsAt(from) + WORD_BYTES; event < this.#end; event += EVENT_BYTES) {
        algorithm.log.append(
          words,
          at,
          micros(view.getFloat64(event, true)),
          view.getUint32(event + 8, true),
        );
      }
    }
    if (this.#shiftUs !== 0) algorithm.shift(words, at, this.#shiftUs);
  }

  #check(view: DataView, firstAt: number, count: number, isAscending: boolean): void {
    const bytesMin = this.#eventsAt(0) + (this.#isLog ? WORD_BYTES : 0);
    if (count * bytesMin > view.byteLength - firstAt) throw malformed(`is too short for ${count} entries`);
    let at = firstAt;
    let last = -1;
    for (let index = 0; index < count; index += 1) {
      if (at + bytesMin > view.byteLength) throw malformed(`ends within entry ${index}`);
      const high = view.getUint32(at, true);
      if (high === 0 && (index > 0 || view.getUint16(at + 6, true) !== 0)) {
        throw malformed(`has a key without identity as entry ${index}`);
      }
      const place = high * 2 ** 16 + view.getUint16(at + 6, true);
      if (isAscending && place <= last) throw malformed(`has entry ${index} out of order`);
      last = place;
      const end = this.#entryEnd(view, at);
      if (end > view.byteLength) throw malformed(`ends within entry ${index}`);
      if (this.#isLog) this.#checkEvents(view, this.#eventsAt(at) + WORD_BYTES, end, index);
      at = end;
    }
    if (at !== view.byteLength)
      throw malformed(`goes on for ${view.byteLength - at} bytes after its entries`);
  }

  #checkEvents(view: DataView, from: number, end: number, index: number): void {
    let lastUs = -1;
    for (let event = from; event < end; event += EVENT_BYTES) {
      const timeUs = view.getFloat64(event, true);
      if (!isTime(timeUs, this.nowUs) || timeUs <= lastUs || view.getUint32(event + 8, true) === 0) {
        throw malformed(`has an impossible event in entry ${index}`);
      }
      lastUs = timeUs;
    }
  }

  /** Where the count of an entry's events stands, and the end of one that has none. */
  #eventsAt(at: number): number {
    return at + this.#headBytes + WORD_BYTES * this.#stateWords;
  }

  #entryEnd(view: DataView, at: number): number {
    const eventsAt = this.#eventsAt(at);
    return this.#isLog ? eventsAt + WORD_BYTES + EVENT_BYTES * view.getUint32(eventsAt, true) : eventsAt;
  }
}
