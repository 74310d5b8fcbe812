/**
 * Fixed window: count what passes in each window of the clock, start again at zero in the next.
 *
 *      │ ▒▒▒▒▒▒▒▒▒ 100 │ ▒▒ 17           │
 *      k·W             (k+1)·W    now
 *
 * The cheapest limiter, exact per window — and leaky at the seam: L at the end of one window and L at the
 * start of the next are 2·L within an instant. That factor is tight: any span of length W meets two windows.
 *
 * State per key: a 16-bit window id and a 32-bit count. Cost per decision: one division.
 * Oracle: bench/oracle.ts.
 */
import type { Verdict } from "../core/decision.ts";
import { micros, type Micros } from "../core/units.ts";
import type { Algorithm, AlgorithmParams } from "./algorithm.ts";
import { judgeCount } from "./count-verdict.ts";
import {
  saturated,
  shiftWindowId,
  STALE_AFTER_WINDOWS,
  storeWindowId,
  windowIdAt,
  windowInForce,
  windowsSince,
} from "./window-id.ts";

const COUNT = 2;

export class FixedWindow implements Algorithm {
  readonly name = "fixed-window";
  readonly stateWords = 1;
  readonly capacity: number;
  readonly staleAfterUs: number;
  readonly alignUs: number;

  readonly #windowUs: number;

  constructor(params: AlgorithmParams) {
    this.capacity = params.limit;
    this.#windowUs = params.windowUs;
    this.staleAfterUs = STALE_AFTER_WINDOWS * params.windowUs;
    this.alignUs = params.windowUs;
  }

  open(words: Uint32Array, at: number, nowUs: Micros): void {
    storeWindowId(words, at, windowIdAt(nowUs, this.#windowUs));
    words[at + COUNT] = 0;
  }

  evaluate(words: Uint32Array, at: number, cost: number, nowUs: Micros, verdict: Verdict): void {
    const id = windowInForce(words, at, nowUs, this.#windowUs);
    const count = windowsSince(words, at, id) === 0 ? (words[at + COUNT] as number) : 0;
    const windowEndUs = (id + 1) * this.#windowUs;
    const used = judgeCount(count, cost, this.capacity, verdict);
    if (verdict.outcome === "denied") verdict.retryAfterUs = windowEndUs - nowUs;
    verdict.resetAfterUs = used > 0 ? windowEndUs - nowUs : 0;
  }

  charge(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    this.commit(words, at, cost, nowUs);
  }

  commit(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    const id = windowIdAt(nowUs, this.#windowUs);
    if (windowsSince(words, at, id) > 0) {
      storeWindowId(words, at, id);
      words[at + COUNT] = 0;
    }
    words[at + COUNT] = saturated((words[at + COUNT] as number) + cost);
  }

  refund(words: Uint32Array, at: number, cost: number): void {
    // The count of a window that is over is read by nobody.
    words[at + COUNT] = Math.max(0, (words[at + COUNT] as number) - cost);
  }

  owable(): number {
    return Infinity;
  }

  isIdle(words: Uint32Array, at: number, nowUs: Micros): boolean {
    return words[at + COUNT] === 0 || windowsSince(words, at, windowIdAt(nowUs, this.#windowUs)) > 0;
  }

  /** A count is a count under any limit. */
  retune(): void {}

  cover(words: Uint32Array, at: number, other: Uint32Array, otherAt: number, nowUs: Micros): void {
    const id = windowInForce(other, otherAt, nowUs, this.#windowUs);
    if (windowsSince(other, otherAt, id) > 0) return;
    // Where the other's window has not begun yet, both wait for its end.
    const fromUs = micros(Math.max(nowUs, id * this.#windowUs));
    this.charge(words, at, other[otherAt + COUNT] as number, fromUs);
  }

  shift(words: Uint32Array, at: number, byUs: number): void {
    shiftWindowId(words, at, byUs / this.alignUs);
  }

  release(): void {}

  outsideBytes(): number {
    return 0;
  }
}
