/**
 * Conservative window: never more than L in *any* span of W, at a fixed price per key.
 *
 * The window is cut into n sub-windows; the current one and the n before it all count in full.
 *
 *      │ 3 │ 0 │ 9 │ 4 │ 1 │ 7 ░                 sum of n + 1 sub-windows + cost ≤ L
 *       ├───────── W ───────┤ now
 *
 * Any span of length W touches at most n + 1 sub-windows, so L is never exceeded; weighting the oldest one
 * instead would bring back the sliding counter's leak. The price: a unit is remembered for up to W + W/n, so
 * a steady load gets at least n/(n + 1) of L.
 *
 * State per key: a 16-bit sub-window id and n + 1 counts in a ring. Cost per decision: n + 1 additions.
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

const RING = 2;
/** Ten sub-windows: 91 % of L under steady load, 52 bytes per slot. */
const SUB_WINDOWS_DEFAULT = 10;

export class ConservativeWindow implements Algorithm {
  readonly name = "conservative-window";
  readonly stateWords: number;
  readonly capacity: number;
  readonly staleAfterUs: number;
  readonly alignUs: number;

  /** Length of the ring: the current sub-window and the n before it. */
  readonly #ring: number;
  readonly #subWindowUs: number;

  constructor(params: AlgorithmParams) {
    const subWindows = params.subWindows ?? SUB_WINDOWS_DEFAULT;
    this.capacity = params.limit;
    this.#ring = subWindows + 1;
    this.stateWords = this.#ring;
    // Rounded up: n + 1 sub-windows must cover every span of W.
    this.#subWindowUs = Math.ceil(params.windowUs / subWindows);
    this.staleAfterUs = STALE_AFTER_WINDOWS * this.#subWindowUs;
    this.alignUs = this.#subWindowUs;
  }

  open(words: Uint32Array, at: number, nowUs: Micros): void {
    storeWindowId(words, at, windowIdAt(nowUs, this.#subWindowUs));
    words.fill(0, at + RING, at + RING + this.#ring);
  }

  evaluate(words: Uint32Array, at: number, cost: number, nowUs: Micros, verdict: Verdict): void {
    const id = windowInForce(words, at, nowUs, this.#subWindowUs);
    const count = this.#countFrom(words, at, id, id);
    const used = judgeCount(count, cost, this.capacity, verdict);
    if (verdict.outcome === "denied") this.#fillRetryAfter(words, at, cost, nowUs, verdict);
    const newest = used > count ? id : this.#newestId(words, at, id);
    verdict.resetAfterUs = used > 0 ? (newest + this.#ring) * this.#subWindowUs - nowUs : 0;
  }

  charge(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    this.commit(words, at, cost, nowUs);
  }

  commit(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    const id = windowInForce(words, at, nowUs, this.#subWindowUs);
    const passed = Math.min(windowsSince(words, at, id), this.#ring);
    for (let age = 0; age < passed; age += 1) words[this.#slotOf(at, id - age)] = 0;
    if (passed > 0) storeWindowId(words, at, id);
    const slot = this.#slotOf(at, id);
    words[slot] = saturated((words[slot] as number) + cost);
  }

  refund(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    this.commit(words, at, 0, nowUs);
    const id = windowInForce(words, at, nowUs, this.#subWindowUs);
    let left = cost;
    for (let age = 0; age < this.#ring && left > 0; age += 1) {
      const slot = this.#slotOf(at, id - age);
      const taken = Math.min(left, words[slot] as number);
      words[slot] = (words[slot] as number) - taken;
      left -= taken;
    }
  }

  owable(): number {
    return Infinity;
  }

  isIdle(words: Uint32Array, at: number, nowUs: Micros): boolean {
    const id = windowInForce(words, at, nowUs, this.#subWindowUs);
    return this.#countFrom(words, at, id, id) === 0;
  }

  /** Counts are counts under any limit. */
  retune(): void {}

  cover(words: Uint32Array, at: number, other: Uint32Array, otherAt: number, nowUs: Micros): void {
    const id = windowInForce(other, otherAt, nowUs, this.#subWindowUs);
    // Where the other's sub-window has not begun yet, both wait for its end.
    const fromUs = micros(Math.max(nowUs, id * this.#subWindowUs));
    this.charge(words, at, this.#countFrom(other, otherAt, id, id), fromUs);
  }

  shift(words: Uint32Array, at: number, byUs: number): void {
    const windows = byUs / this.#subWindowUs;
    const before = words.slice(at + RING, at + RING + this.#ring);
    // A count stands where the number of its sub-window says.
    const turn = windows - this.#ring * Math.floor(windows / this.#ring);
    for (const [place, count] of before.entries()) words[at + RING + ((place + turn) % this.#ring)] = count;
    shiftWindowId(words, at, windows);
  }

  release(): void {}

  outsideBytes(): number {
    return 0;
  }

  #slotOf(at: number, id: number): number {
    return at + RING + (id % this.#ring);
  }

  /** The sub-window last charged, as a full number. */
  #storedId(words: Uint32Array, at: number, id: number): number {
    return id - windowsSince(words, at, id);
  }

  /** What will still count in sub-window `future`, of all that was charged up to sub-window `id`. */
  #countFrom(words: Uint32Array, at: number, id: number, future: number): number {
    const stored = this.#storedId(words, at, id);
    // One division for the newest place of the ring; the older ones lie before it.
    let place = stored % this.#ring;
    let count = 0;
    for (let alive = Math.min(this.#ring, stored + this.#ring - future); alive > 0; alive -= 1) {
      count += words[at + RING + place] as number;
      place = place === 0 ? this.#ring - 1 : place - 1;
    }
    return count;
  }

  #newestId(words: Uint32Array, at: number, id: number): number {
    let sub = this.#storedId(words, at, id);
    while (sub > id - this.#ring && words[this.#slotOf(at, sub)] === 0) sub -= 1;
    return sub;
  }

  #fillRetryAfter(words: Uint32Array, at: number, cost: number, nowUs: Micros, verdict: Verdict): void {
    const id = windowInForce(words, at, nowUs, this.#subWindowUs);
    let future = id + 1;
    while (this.#countFrom(words, at, id, future) + cost > this.capacity) future += 1;
    verdict.retryAfterUs = future * this.#subWindowUs - nowUs;
  }
}
