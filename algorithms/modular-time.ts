/**
 * Moments in few bits, and rates without rounding.
 *
 * A state keeps only the low bits of a moment. Every moment that matters lies within half the modulus of
 * now, so the full one is the congruent value nearest to now; the sweep (keyed-limiter.ts) drops keys long
 * before they are further away.
 *
 * A rate of `limit` per `windowUs` spaces units by the emission interval T = windowUs / limit, seldom a whole
 * number of microseconds. T = num/den in lowest terms is exact: moments are whole microseconds plus a
 * fraction over `den`, and differences of moments are integer *ticks* of 1/den µs.
 *
 *      word at + 1, low half   word at + 2
 *      │ 16 bits │ 32 bits │  =  48 bits  =  [ whole µs modulo 2^(48 − k) │ fraction, k bits ]   den ≤ 2^k
 *
 * The more bits the fraction takes, the shorter the horizon; den is therefore bounded, and a T that does not
 * fit is rounded up (a slightly slower rate, never a faster one).
 */
import { assert } from "../core/assert.ts";
import { micros, type Micros } from "../core/units.ts";

const MOMENT_BITS = 48;
const HIGH_FACTOR = 2 ** 32;
/** A moment ahead of now is at most an eighth of the modulus away, so it stays readable for three more. */
const HORIZONS_PER_MODULUS = 8;
/** Products of ticks stay below this, so that sums of a few are still exact. */
const TICKS_MAX = 2 ** 51;

const HORIZON_MAX_US = 2 ** MOMENT_BITS / HORIZONS_PER_MODULUS;
/** Longest time a burst may be worth: 400 days, just inside the 407 of the horizon. */
export const BURST_WORTH_MAX_US = 400 * 86_400_000_000;
/** What is in use of a limit, and once as much in debt for usage that was only reported (ADR 0017). */
const CAPACITIES_OWED_MAX = 2;
/** What a count of units holds of debt. */
const UNITS_MAX = 2 ** 31 - 1;
/** However short the window, a sweep must not have to go round more often than every few minutes. */
const HORIZON_MIN_US = 600_000_000;

export class MomentField {
  /**
   * Ticks from now to the stored moment, negative when it has passed: result of `read`. Returned, a number this large
   * would have to be allocated wherever the compiler does not inline the call.
   */
  aheadTicks = 0;
  /** The emission interval in ticks, and ticks per microsecond. */
  readonly num: number;
  readonly den: number;
  /** Whether a tick is a microsecond, as for most limits that people choose: then nothing has to be rounded. */
  readonly isWhole: boolean;
  /** Furthest ahead of now that a moment is kept, in ticks: more debt than this is forgiven. */
  readonly horizonTicks: number;
  /** Reports let a key owe at most so much: two capacities, or what state and horizon hold. In units. */
  readonly #owedUnitsMax: number;
  /** A slot must be swept before its moment is this old. */
  readonly staleAfterUs: number;

  readonly #modulusUs: number;
  readonly #fractionFactor: number;
  // Powers of two, so multiplying by them is exact, and several times as fast as dividing.
  readonly #perModulus: number;
  readonly #perFraction: number;

  /** @param capacity units whose emission intervals must be representable exactly */
  constructor(limit: number, windowUs: number, capacity: number) {
    const worthUs = limit === 0 ? 0 : (capacity * windowUs) / limit;
    assert(worthUs <= BURST_WORTH_MAX_US, "a burst is worth at most 400 days");
    // Rounding T up adds less than one microsecond per unit.
    const horizonUs = Math.max(worthUs + capacity, HORIZON_MIN_US);
    const fractionBitsMax = Math.floor(Math.log2(HORIZON_MAX_US / horizonUs));
    const { num, den } = emissionInterval(limit, windowUs, capacity, 2 ** fractionBitsMax);
    this.num = num;
    this.den = den;
    this.isWhole = den === 1;
    const fractionBits = Math.ceil(Math.log2(den));
    this.#fractionFactor = 2 ** fractionBits;
    this.#modulusUs = 2 ** (MOMENT_BITS - fractionBits);
    this.#perModulus = 1 / this.#modulusUs;
    this.#perFraction = 1 / this.#fractionFactor;
    this.horizonTicks = (this.#modulusUs / HORIZONS_PER_MODULUS) * den;
    const representable = Math.min(UNITS_MAX, Math.floor(this.horizonTicks / num));
    this.#owedUnitsMax = Math.min(CAPACITIES_OWED_MAX * capacity, representable);
    this.staleAfterUs = (this.#modulusUs / HORIZONS_PER_MODULUS) * 2;
  }

  /** Looks how far ahead of now the stored moment is. */
  read(words: Uint32Array, at: number, nowUs: Micros): void {
    const stored = ((words[at + 1] as number) & 0xffff) * HIGH_FACTOR + (words[at + 2] as number);
    const low = this.isWhole ? stored : Math.floor(stored * this.#perFraction);
    const distance = low - nowUs;
    const ahead = distance - this.#modulusUs * Math.floor(distance * this.#perModulus + 0.5);
    this.aheadTicks = this.isWhole ? ahead : ahead * this.den + (stored - low * this.#fractionFactor);
  }

  /** Stores the moment `ticks` from now. */
  store(words: Uint32Array, at: number, ticks: number, nowUs: Micros): void {
    const wholeUs = this.isWhole ? ticks : Math.floor(ticks / this.den);
    const moment = nowUs + wholeUs;
    const low = moment - this.#modulusUs * Math.floor(moment * this.#perModulus);
    const stored = this.isWhole ? low : low * this.#fractionFactor + (ticks - wholeUs * this.den);
    words[at + 1] = ((words[at + 1] as number) & 0xffff0000) | (stored / HIGH_FACTOR);
    words[at + 2] = stored;
  }

  /** Moves the stored moment. */
  shift(words: Uint32Array, at: number, byUs: number): void {
    const stored = ((words[at + 1] as number) & 0xffff) * HIGH_FACTOR + (words[at + 2] as number);
    const low = Math.floor(stored * this.#perFraction);
    this.store(words, at, stored - low * this.#fractionFactor, micros(low + byUs));
  }

  /** What `ticks` of another interval are worth in ticks of this one: the same share of a unit, rounded up. */
  convert(ticks: number, from: MomentField): number {
    const units = Math.floor(ticks / from.num);
    const rest = ticks - units * from.num;
    const product = rest * this.num;
    if (product <= Number.MAX_SAFE_INTEGER) return units * this.num + Math.ceil(product / from.num);
    const exact = BigInt(rest) * BigInt(this.num);
    return units * this.num + Number((exact + BigInt(from.num) - 1n) / BigInt(from.num));
  }

  /** Whole units that a report may add for a key that will be as new in `resetAfterUs`. */
  owable(resetAfterUs: number): number {
    return Math.max(0, this.#owedUnitsMax - Math.ceil((resetAfterUs * this.den) / this.num));
  }

  /** Whole microseconds that cover `ticks`. */
  ceilUs(ticks: number): number {
    return this.isWhole ? ticks : Math.ceil(ticks / this.den);
  }
}

/** windowUs / limit in lowest terms; rounded up where that would not be exact. */
function emissionInterval(
  limit: number,
  windowUs: number,
  units: number,
  denMax: number,
): { num: number; den: number } {
  if (limit === 0) return { num: 1, den: 1 };
  const divisor = greatestCommonDivisor(limit, windowUs);
  const num = windowUs / divisor;
  const den = limit / divisor;
  if (den <= denMax && units * num < TICKS_MAX) return { num, den };
  // Slower by at most 1/denMax of the rate: T in steps of 1/denMax, or units per step where T is shorter than 1 µs.
  if (windowUs < limit) {
    const step = Math.max(1, Math.floor((denMax * windowUs) / limit));
    return { num: step, den: Math.min(denMax, Math.floor((step * limit) / windowUs)) };
  }
  let scale = denMax;
  while (scale > 1 && units * Math.ceil((windowUs * scale) / limit) >= TICKS_MAX) scale /= 2;
  return { num: Math.ceil((windowUs * scale) / limit), den: scale };
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
