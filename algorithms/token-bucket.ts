/**
 * Token bucket: tokens drip in at `limit` per window up to the burst; a cost takes tokens out.
 *
 *          ▼ one token every T
 *      │        │ B
 *      │ ●      │
 *      │ ● ● ●  │ tokens  ──▶ allowed while tokens ≥ cost
 *      └────────┘
 *
 * Kept as whole tokens plus the exact moment of the last drip, so nothing is ever rounded. Usage reported
 * after the fact may take tokens below zero: debt that must drip back first.
 *
 * State per key: a 32-bit count and a 48-bit moment. Cost per decision: one division.
 * Envelope: at most B + τ·L/W in any τ. Equivalent: gcra.ts (theory: debt X = B − tokens).
 * Source: Partridge, Gigabit Networking, 1994. Oracle: bench/oracle.ts.
 */
import { assert } from "../core/assert.ts";
import type { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";
import type { Algorithm, AlgorithmParams } from "./algorithm.ts";
import { Drip } from "./drip.ts";

const TOKENS = 3;

export class TokenBucket implements Algorithm {
  readonly name = "token-bucket";
  readonly stateWords = 2;
  readonly capacity: number;
  readonly staleAfterUs: number;
  readonly alignUs = 1;

  readonly #limit: number;
  readonly #drip: Drip;
  /** Tokens that were there when a charge was last looked for. */
  #seen = 0;

  constructor(params: AlgorithmParams) {
    this.#limit = params.limit;
    this.capacity = params.limit === 0 ? 0 : (params.burst ?? params.limit);
    this.#drip = new Drip(params.limit, params.windowUs, this.capacity);
    this.staleAfterUs = this.#drip.field.staleAfterUs;
  }

  open(words: Uint32Array, at: number, nowUs: Micros): void {
    this.#drip.progressTicks = 0;
    this.#store(words, at, this.capacity, nowUs);
  }

  evaluate(words: Uint32Array, at: number, cost: number, nowUs: Micros, verdict: Verdict): void {
    const tokens = this.#tokens(words, at, nowUs);
    this.#seen = tokens;
    const isEnough = tokens >= cost || cost === 0;
    const isPossible = cost <= this.capacity;
    const left = isEnough ? tokens - cost : tokens;
    verdict.outcome = isEnough ? "allowed" : isPossible ? "denied" : "unsatisfiable";
    verdict.limit = this.#limit;
    verdict.remaining = left > 0 ? left : 0;
    verdict.retryAfterUs = isEnough ? 0 : Infinity;
    if (!isEnough && isPossible) verdict.retryAfterUs = this.#drip.untilUs(cost - tokens);
    verdict.resetAfterUs = left < this.capacity ? this.#drip.untilUs(this.capacity - left) : 0;
    verdict.delayUs = 0;
  }

  charge(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    this.#seen = this.#tokens(words, at, nowUs);
    this.commit(words, at, cost, nowUs);
  }

  commit(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    this.#store(words, at, Math.max(this.#seen - cost, this.capacity - this.#drip.unitsMax), nowUs);
  }

  refund(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    const tokens = this.#tokens(words, at, nowUs) + cost;
    this.#store(words, at, Math.min(this.capacity, tokens), nowUs);
  }

  owable(resetAfterUs: number): number {
    return this.#drip.field.owable(resetAfterUs);
  }

  isIdle(words: Uint32Array, at: number, nowUs: Micros): boolean {
    return this.#tokens(words, at, nowUs) === this.capacity;
  }

  retune(words: Uint32Array, at: number, previous: Algorithm, nowUs: Micros): void {
    assert(previous instanceof TokenBucket, "state is carried over within one algorithm");
    const debt = previous.capacity - previous.#tokens(words, at, nowUs);
    this.#drip.inheritProgress(previous.#drip);
    this.#store(words, at, this.capacity - Math.min(debt, this.#drip.unitsMax), nowUs);
  }

  cover(words: Uint32Array, at: number, other: Uint32Array, otherAt: number, nowUs: Micros): void {
    const tokens = this.#tokens(words, at, nowUs);
    const progressTicks = this.#drip.progressTicks;
    const others = this.#tokens(other, otherAt, nowUs);
    // The drip holds the other's progress now.
    if (others < tokens || (others === tokens && this.#drip.progressTicks < progressTicks)) {
      this.#store(words, at, others, nowUs);
    }
  }

  shift(words: Uint32Array, at: number, byUs: number): void {
    this.#drip.field.shift(words, at, byUs);
  }

  release(): void {}

  outsideBytes(): number {
    return 0;
  }

  /** Tokens now; leaves the progress towards the next in the drip, none when the bucket is full. */
  #tokens(words: Uint32Array, at: number, nowUs: Micros): number {
    const drip = this.#drip;
    drip.read(words, at, nowUs);
    const tokens = ((words[at + TOKENS] as number) | 0) + drip.drips;
    if (tokens < this.capacity) return tokens;
    if (drip.progressTicks > 0) drip.progressTicks = 0;
    return this.capacity;
  }

  #store(words: Uint32Array, at: number, tokens: number, nowUs: Micros): void {
    this.#drip.anchor(words, at, this.#drip.progressTicks, nowUs);
    words[at + TOKENS] = tokens;
  }
}
