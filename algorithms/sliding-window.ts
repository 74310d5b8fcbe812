/**
 * Sliding-window counter: this window's count plus the share of the previous one that still overlaps.
 *
 *            previous      current
 *      │▒▒▒▒▒▒▒▒▒▒▒▒▒▒│▒▒▒▒▒▒          │
 *            ├── W ────────────┤ now            estimate = current + previous · (1 − elapsed/W)
 *
 * Two numbers per key, and smooth at the seam — but it assumes that the previous window was spread evenly.
 * Worst case: L at the very end of one window leaves room for nearly L again by the end of the next, so up
 * to 2·L pass within one span of W (bench/oracle.ts finds it); and a front-loaded window denies too much.
 *
 * The comparison is made in integers, counts × ticks of the window, hence exact; a tick is 1 µs, or more
 * where limit × window would leave 2^53, rounded so that the estimate is never too low.
 *
 * State per key: a 16-bit window id and two 32-bit counts. Cost per decision: two divisions.
 * Source: Cloudflare, Counting things, 2017. Oracle: bench/oracle.ts.
 */
import type { Verdict } from "../core/decision.ts";
import { micros, type Micros } from "../core/units.ts";
import type { Algorithm, AlgorithmParams } from "./algorithm.ts";
import {
  saturated,
  shiftWindowId,
  STALE_AFTER_WINDOWS,
  storeWindowId,
  windowIdAt,
  windowInForce,
  windowsSince,
} from "./window-id.ts";

const CURRENT = 2;
const PREVIOUS = 3;
/** Products of counts and ticks stay below this. */
const PRODUCT_MAX = 2 ** 51;

export class SlidingWindow implements Algorithm {
  readonly name = "sliding-window";
  readonly stateWords = 2;
  readonly capacity: number;
  readonly staleAfterUs: number;
  readonly alignUs: number;

  readonly #windowUs: number;
  readonly #tickUs: number;
  readonly #windowTicks: number;

  // The two counts as of the moment looked at: results of `#read`.
  #current = 0;
  #previous = 0;

  constructor(params: AlgorithmParams) {
    this.capacity = params.limit;
    this.#windowUs = params.windowUs;
    this.#tickUs = Math.max(1, Math.ceil((params.limit * params.windowUs) / PRODUCT_MAX));
    this.#windowTicks = Math.ceil(params.windowUs / this.#tickUs);
    this.staleAfterUs = STALE_AFTER_WINDOWS * params.windowUs;
    this.alignUs = params.windowUs;
  }

  open(words: Uint32Array, at: number, nowUs: Micros): void {
    storeWindowId(words, at, windowIdAt(nowUs, this.#windowUs));
    words[at + CURRENT] = 0;
    words[at + PREVIOUS] = 0;
  }

  evaluate(words: Uint32Array, at: number, cost: number, nowUs: Micros, verdict: Verdict): void {
    const id = windowInForce(words, at, nowUs, this.#windowUs);
    this.#read(words, at, id);
    const startUs = id * this.#windowUs;
    const ticks = this.#windowTicks;
    const elapsed = nowUs > startUs ? Math.floor((nowUs - startUs) / this.#tickUs) : 0;
    const unspent = (this.capacity - this.#current) * ticks - this.#previous * (ticks - elapsed);
    const isAllowed = unspent >= cost * ticks || cost === 0;
    const isPossible = cost <= this.capacity;
    const left = isAllowed ? unspent - cost * ticks : unspent;
    verdict.outcome = isAllowed ? "allowed" : isPossible ? "denied" : "unsatisfiable";
    verdict.limit = this.capacity;
    verdict.remaining = left > 0 ? Math.floor(left / ticks) : 0;
    verdict.retryAfterUs = isAllowed ? 0 : Infinity;
    verdict.delayUs = 0;
    if (!isAllowed && isPossible) this.#fillRetryAfter(cost, id, nowUs, verdict);
    if (this.#current > 0 || (isAllowed && cost > 0))
      verdict.resetAfterUs = startUs + 2 * this.#windowUs - nowUs;
    else verdict.resetAfterUs = this.#previous > 0 ? startUs + this.#windowUs - nowUs : 0;
  }

  charge(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    this.commit(words, at, cost, nowUs);
  }

  commit(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    const id = windowIdAt(nowUs, this.#windowUs);
    this.#read(words, at, id);
    if (windowsSince(words, at, id) > 0) storeWindowId(words, at, id);
    words[at + PREVIOUS] = this.#previous;
    words[at + CURRENT] = saturated(this.#current + cost);
  }

  refund(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    this.commit(words, at, 0, nowUs);
    const older = Math.max(0, cost - this.#current);
    words[at + CURRENT] = Math.max(0, this.#current - cost);
    words[at + PREVIOUS] = Math.max(0, this.#previous - older);
  }

  owable(): number {
    return Infinity;
  }

  isIdle(words: Uint32Array, at: number, nowUs: Micros): boolean {
    this.#read(words, at, windowIdAt(nowUs, this.#windowUs));
    return this.#current === 0 && this.#previous === 0;
  }

  /** Counts are counts under any limit. */
  retune(): void {}

  cover(words: Uint32Array, at: number, other: Uint32Array, otherAt: number, nowUs: Micros): void {
    const id = windowInForce(other, otherAt, nowUs, this.#windowUs);
    this.#read(other, otherAt, id);
    // Where the other's window has not begun yet, both wait for its end.
    const fromUs = micros(Math.max(nowUs, id * this.#windowUs));
    this.charge(words, at, this.#current + this.#previous, fromUs);
  }

  shift(words: Uint32Array, at: number, byUs: number): void {
    shiftWindowId(words, at, byUs / this.alignUs);
  }

  release(): void {}

  outsideBytes(): number {
    return 0;
  }

  #read(words: Uint32Array, at: number, id: number): void {
    const passed = windowsSince(words, at, id);
    this.#current = passed === 0 ? (words[at + CURRENT] as number) : 0;
    this.#previous =
      passed === 0 ? (words[at + PREVIOUS] as number) : passed === 1 ? (words[at + CURRENT] as number) : 0;
  }

  /**
   * When a refused `cost` fits: while the previous window fades, or, when this window's own count is too high, while
   * that one fades in the next. Into the verdict: a large number that is returned may have to be allocated.
   */
  #fillRetryAfter(cost: number, id: number, nowUs: Micros, verdict: Verdict): void {
    const room = this.capacity - cost - this.#current;
    const isFading = room >= 0;
    const count = isFading ? this.#previous : this.#current;
    const weightMax = isFading ? room : this.capacity - cost;
    const ticksLeft = Math.floor((weightMax * this.#windowTicks) / count);
    const fadedAfterUs = Math.min(this.#windowUs, (this.#windowTicks - ticksLeft) * this.#tickUs);
    const fadesFromUs = (isFading ? id : id + 1) * this.#windowUs;
    verdict.retryAfterUs = fadesFromUs + fadedAfterUs - nowUs;
  }
}
