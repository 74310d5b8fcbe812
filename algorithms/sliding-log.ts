/**
 * Sliding log: remember every admitted unit for exactly one window. The truth, and what it costs.
 *
 *      ──●──●●────●───────●●●──▶        an event at e is inside the window at t iff e > t − W
 *        ├────── W ────────┤ now
 *
 * Never more than L in any span of W, never a needless denial. State grows with the limit: one event per
 * admitted moment, 12 bytes each and up to four times that while rings double (event-arena.ts), where the others keep a few words.
 * Units admitted in the same microsecond share an event.
 *
 * State per key: a 32-bit handle into the arena. Cost per decision: amortised O(1), a refusal reads as many
 * events as must leave before the cost fits. Oracle: bench/oracle.ts.
 */
import type { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";
import type { Algorithm, AlgorithmParams, EventLog } from "./algorithm.ts";
import { judgeCount } from "./count-verdict.ts";
import { EventArena } from "./event-arena.ts";

const HANDLE = 2;

export class SlidingLog implements Algorithm {
  readonly name = "sliding-log";
  readonly stateWords = 1;
  readonly capacity: number;
  readonly staleAfterUs = Infinity;
  readonly alignUs = 1;

  readonly log: EventLog;

  readonly #windowUs: number;
  readonly #arena: EventArena;

  /** @param previous the same log under other numbers, whose events are taken over */
  constructor(params: AlgorithmParams, previous?: SlidingLog) {
    this.capacity = params.limit;
    this.#windowUs = params.windowUs;
    this.#arena = previous === undefined ? new EventArena(params.windowUs) : previous.#arena;
    this.log = new ArenaLog(this.#arena);
  }

  open(words: Uint32Array, at: number): void {
    words[at + HANDLE] = 0;
  }

  evaluate(words: Uint32Array, at: number, cost: number, nowUs: Micros, verdict: Verdict): void {
    const count = this.#count(words, at, nowUs);
    const used = judgeCount(count, cost, this.capacity, verdict);
    if (verdict.outcome === "denied") this.#fillRetryAfter(cost, nowUs, verdict);
    if (used > count) verdict.resetAfterUs = this.#windowUs;
    else
      verdict.resetAfterUs =
        count > 0 ? this.#arena.timeUs(this.#arena.length - 1) + this.#windowUs - nowUs : 0;
  }

  charge(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    this.commit(words, at, cost, nowUs);
  }

  commit(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    this.#count(words, at, nowUs);
    words[at + HANDLE] = this.#arena.push(words[at + HANDLE] as number, nowUs, cost);
  }

  refund(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    if (this.#count(words, at, nowUs) > 0) this.#arena.dropNewest(cost);
  }

  owable(): number {
    return Infinity;
  }

  isIdle(words: Uint32Array, at: number, nowUs: Micros): boolean {
    return this.#count(words, at, nowUs) === 0;
  }

  /** Events are events under any limit. */
  retune(): void {}

  cover(words: Uint32Array, at: number, other: Uint32Array, otherAt: number, nowUs: Micros): void {
    const count = this.#count(other, otherAt, nowUs);
    if (count > 0) this.charge(words, at, count, nowUs);
  }

  shift(words: Uint32Array, at: number, byUs: number): void {
    if (this.#arena.select(words[at + HANDLE] as number)) this.#arena.shift(byUs);
  }

  release(words: Uint32Array, at: number): void {
    this.#arena.free(words[at + HANDLE] as number);
  }

  outsideBytes(): number {
    return this.#arena.bytes;
  }

  /** Units inside the window now. Drops what has left it; selects the key's ring. */
  #count(words: Uint32Array, at: number, nowUs: Micros): number {
    if (!this.#arena.select(words[at + HANDLE] as number)) return 0;
    this.#arena.dropLeft(nowUs);
    return this.#arena.total;
  }

  #fillRetryAfter(cost: number, nowUs: Micros, verdict: Verdict): void {
    const arena = this.#arena;
    let excess = arena.total + cost - this.capacity;
    let index = -1;
    while (excess > 0) {
      index += 1;
      excess -= arena.cost(index);
    }
    verdict.retryAfterUs = arena.timeUs(index) + this.#windowUs - nowUs;
  }
}

/** The rings as events that can be carried away and put down elsewhere. */
class ArenaLog implements EventLog {
  readonly #arena: EventArena;

  constructor(arena: EventArena) {
    this.#arena = arena;
  }

  select(words: Uint32Array, at: number, nowUs: Micros): number {
    if (!this.#arena.select(words[at + HANDLE] as number)) return 0;
    this.#arena.dropLeft(nowUs);
    return this.#arena.length;
  }

  timeUs(index: number): number {
    return this.#arena.timeUs(index);
  }

  cost(index: number): number {
    return this.#arena.cost(index);
  }

  append(words: Uint32Array, at: number, timeUs: Micros, cost: number): void {
    words[at + HANDLE] = this.#arena.push(words[at + HANDLE] as number, timeUs, cost);
  }
}
