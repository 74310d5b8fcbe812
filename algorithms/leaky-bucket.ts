/**
 * Leaky bucket as a meter: every cost pours in, the bucket leaks one unit every emission interval, and what
 * would overflow is denied.
 *
 *      cost ▼
 *      │        │ B   ──▶ allowed while level + cost ≤ B
 *      │▒▒▒▒▒▒▒▒│ level
 *      └───┬────┘
 *          ▼ one unit every T
 *
 * The mirror image of the token bucket (level = B − tokens), kept as the textbook has it: a level and the
 * moment of the last leak. The form that delays instead of denying is leaky-queue.ts.
 *
 * State per key: a 32-bit level and a 48-bit moment. Cost per decision: one division.
 * Source: Turner, New directions in communications, 1986. Oracle: bench/oracle.ts.
 */
import { assert } from "../core/assert.ts";
import type { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";
import type { Algorithm, AlgorithmParams } from "./algorithm.ts";
import { Drip } from "./drip.ts";

const LEVEL = 3;

export class LeakyBucket implements Algorithm {
  readonly name = "leaky-bucket";
  readonly stateWords = 2;
  readonly capacity: number;
  readonly staleAfterUs: number;
  readonly alignUs = 1;

  readonly #limit: number;
  readonly #leak: Drip;
  /** Level that was there when a charge was last looked for. */
  #seen = 0;

  constructor(params: AlgorithmParams) {
    this.#limit = params.limit;
    this.capacity = params.limit === 0 ? 0 : (params.burst ?? params.limit);
    this.#leak = new Drip(params.limit, params.windowUs, this.capacity);
    this.staleAfterUs = this.#leak.field.staleAfterUs;
  }

  open(words: Uint32Array, at: number, nowUs: Micros): void {
    this.#leak.anchor(words, at, 0, nowUs);
    words[at + LEVEL] = 0;
  }

  evaluate(words: Uint32Array, at: number, cost: number, nowUs: Micros, verdict: Verdict): void {
    const level = this.#level(words, at, nowUs);
    this.#seen = level;
    const overflow = level + cost - this.capacity;
    const isRoom = overflow <= 0 || cost === 0;
    const isPossible = cost <= this.capacity;
    const kept = isRoom ? level + cost : level;
    verdict.outcome = isRoom ? "allowed" : isPossible ? "denied" : "unsatisfiable";
    verdict.limit = this.#limit;
    verdict.remaining = kept < this.capacity ? this.capacity - kept : 0;
    verdict.retryAfterUs = isRoom ? 0 : Infinity;
    if (!isRoom && isPossible) verdict.retryAfterUs = this.#leak.untilUs(overflow);
    verdict.resetAfterUs = kept > 0 ? this.#leak.untilUs(kept) : 0;
    verdict.delayUs = 0;
  }

  charge(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    this.#seen = this.#level(words, at, nowUs);
    this.commit(words, at, cost, nowUs);
  }

  commit(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    this.#leak.anchor(words, at, this.#leak.progressTicks, nowUs);
    words[at + LEVEL] = Math.min(this.#seen + cost, this.#leak.unitsMax);
  }

  refund(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    const level = this.#level(words, at, nowUs) - cost;
    this.#leak.anchor(words, at, this.#leak.progressTicks, nowUs);
    words[at + LEVEL] = Math.max(0, level);
  }

  owable(resetAfterUs: number): number {
    return this.#leak.field.owable(resetAfterUs);
  }

  isIdle(words: Uint32Array, at: number, nowUs: Micros): boolean {
    return this.#level(words, at, nowUs) === 0;
  }

  retune(words: Uint32Array, at: number, previous: Algorithm, nowUs: Micros): void {
    assert(previous instanceof LeakyBucket, "state is carried over within one algorithm");
    const level = previous.#level(words, at, nowUs);
    this.#leak.inheritProgress(previous.#leak);
    this.#leak.anchor(words, at, this.#leak.progressTicks, nowUs);
    words[at + LEVEL] = Math.min(level, this.#leak.unitsMax);
  }

  cover(words: Uint32Array, at: number, other: Uint32Array, otherAt: number, nowUs: Micros): void {
    const level = this.#level(words, at, nowUs);
    const progressTicks = this.#leak.progressTicks;
    const others = this.#level(other, otherAt, nowUs);
    // The drip holds the other's progress now.
    if (others > level || (others === level && this.#leak.progressTicks < progressTicks)) {
      this.#leak.anchor(words, at, this.#leak.progressTicks, nowUs);
      words[at + LEVEL] = others;
    }
  }

  shift(words: Uint32Array, at: number, byUs: number): void {
    this.#leak.field.shift(words, at, byUs);
  }

  release(): void {}

  outsideBytes(): number {
    return 0;
  }

  /** Level now; leaves the progress of the next leak in the drip, none when the bucket is empty. */
  #level(words: Uint32Array, at: number, nowUs: Micros): number {
    const leak = this.#leak;
    leak.read(words, at, nowUs);
    const level = (words[at + LEVEL] as number) - leak.drips;
    if (level > 0) return level;
    if (leak.progressTicks > 0) leak.progressTicks = 0;
    return 0;
  }
}
