/**
 * The sliding-window counter as one value of one key, in a given number of bits: what a Redis string, or a column,
 * can hold and change in one step. Two keys, one for each window, need two reads and a script; this needs neither.
 *
 *      value   │ previous, in quanta │ current │        current   counts to L: c bits
 *                 the bits that are left                previous  rounded up to quanta of q
 *
 *      window     none is stored: the key expires two windows after the start of the one it was last charged in,
 *                 so its time to live says which window that was
 *
 * What is lost: nothing while both counts fit, L < 2^⌊bits/2⌋ (26 bits each in a double's 53). Below that `previous`
 * comes in quanta, q = ⌈L / (2^(bits − c) − 1)⌉, rounded up when a window ends: the estimate is at most q − 1 too
 * high and never too low, so fewer units pass, never more.
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";

export class PackedCounter {
  /** Units that `previous` is counted in; 1 loses nothing. */
  readonly quantum: number;
  readonly #limit: number;
  readonly #windowUs: number;
  /** Where `previous` begins: 2^c. */
  readonly #shift: number;
  /** What the key holds, and when it expires. Invariant: value < 2^bits. */
  #value = 0;
  #expiresUs = 0;

  /** @param bits of the value, at most 53, and more than the limit takes */
  constructor({ limit, windowUs }: Pick<AlgorithmParams, "limit" | "windowUs">, bits: number) {
    const currentBits = bitsOf(limit);
    this.quantum = Math.ceil(limit / (2 ** (bits - currentBits) - 1));
    this.#limit = limit;
    this.#windowUs = windowUs;
    this.#shift = 2 ** currentBits;
  }

  /** Whether a count up to the limit leaves a bit for the window before. */
  static fits(limit: number, bits: number): boolean {
    return bitsOf(limit) < bits;
  }

  get value(): number {
    return this.#value;
  }

  /** Whether one unit is admitted; moments never decrease. */
  ask(nowUs: number): boolean {
    const windowUs = this.#windowUs;
    if (nowUs >= this.#expiresUs) this.#value = 0;
    else if (nowUs >= this.#expiresUs - windowUs) this.#value = this.#rolled();
    // From here on the value is this window's, and is stored only if it changes.
    const elapsedUs = nowUs % windowUs;
    this.#expiresUs = nowUs - elapsedUs + 2 * windowUs;
    const previous = Math.floor(this.#value / this.#shift) * this.quantum;
    const current = this.#value % this.#shift;
    if ((current + 1) * windowUs + previous * (windowUs - elapsedUs) > this.#limit * windowUs) return false;
    this.#value += 1;
    return true;
  }

  #rolled(): number {
    return Math.ceil((this.#value % this.#shift) / this.quantum) * this.#shift;
  }
}

function bitsOf(count: number): number {
  return 32 - Math.clz32(count);
}
