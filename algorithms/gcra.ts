/**
 * GCRA: the leaky bucket as one number.
 *
 * A key's whole history is folded into its theoretical arrival time (TAT): the moment its debt is paid off
 * if it spends nothing more. Every unit moves TAT one emission interval T = W / L into the future; a cost c
 * conforms when TAT would not run further ahead of now than the burst allows.
 *
 *      admit(c)  ⇔  max(TAT, now) + c·T − now ≤ B·T             then  TAT = max(TAT, now) + c·T
 *
 *          now                TAT        now + B·T
 *      ─────┼──────── debt ────┼── room ─────┼──────▶ time
 *
 * State per key: one 48-bit moment. Cost per decision: a few multiplications. Exact for every rational T
 * that modular-time.ts can hold. In ITU terms τ = (B − 1)·T for unit cost.
 * Specification: ITU-T I.371, virtual scheduling. Equivalent: token-bucket.ts. Oracle: bench/oracle.ts.
 */
import type { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";
import type { Algorithm, AlgorithmName, AlgorithmParams } from "./algorithm.ts";
import { assert } from "../core/assert.ts";
import { MomentField } from "./modular-time.ts";

export class Gcra implements Algorithm {
  readonly name: AlgorithmName = "gcra";
  readonly stateWords = 1;
  readonly capacity: number;
  readonly staleAfterUs: number;
  readonly alignUs = 1;

  readonly #limit: number;
  readonly #tat: MomentField;
  readonly #capacityTicks: number;

  constructor(params: AlgorithmParams) {
    this.#limit = params.limit;
    this.capacity = params.limit === 0 ? 0 : (params.burst ?? params.limit);
    this.#tat = new MomentField(params.limit, params.windowUs, this.capacity);
    this.#capacityTicks = this.capacity * this.#tat.num;
    this.staleAfterUs = this.#tat.staleAfterUs;
  }

  open(words: Uint32Array, at: number, nowUs: Micros): void {
    this.#tat.store(words, at, 0, nowUs);
  }

  evaluate(words: Uint32Array, at: number, cost: number, nowUs: Micros, verdict: Verdict): void {
    const tat = this.#tat;
    tat.read(words, at, nowUs);
    const debt = tat.aheadTicks > 0 ? tat.aheadTicks : 0;
    const room = this.#capacityTicks - debt - cost * tat.num;
    verdict.limit = this.#limit;
    verdict.delayUs = 0;
    verdict.retryAfterUs = 0;
    if (room >= 0) {
      verdict.outcome = "allowed";
      verdict.remaining = Math.floor(room / tat.num);
      const owed = debt + cost * tat.num;
      verdict.resetAfterUs = tat.isWhole ? owed : Math.ceil(owed / tat.den);
      return;
    }
    const isPossible = cost <= this.capacity;
    // A peek at a key in debt beyond its burst is no refusal.
    verdict.outcome = cost === 0 ? "allowed" : isPossible ? "denied" : "unsatisfiable";
    if (!isPossible) verdict.retryAfterUs = Infinity;
    else if (cost > 0) verdict.retryAfterUs = tat.isWhole ? -room : Math.ceil(-room / tat.den);
    verdict.remaining = Math.max(0, Math.floor((this.#capacityTicks - debt) / tat.num));
    verdict.resetAfterUs = tat.isWhole ? debt : Math.ceil(debt / tat.den);
  }

  charge(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    this.#tat.read(words, at, nowUs);
    this.commit(words, at, cost, nowUs);
  }

  commit(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    const tat = this.#tat;
    const debt = (tat.aheadTicks > 0 ? tat.aheadTicks : 0) + cost * tat.num;
    tat.store(words, at, Math.min(debt, tat.horizonTicks), nowUs);
  }

  refund(words: Uint32Array, at: number, cost: number, nowUs: Micros): void {
    const debt = this.debtTicks(words, at, nowUs) - cost * this.#tat.num;
    this.#tat.store(words, at, Math.max(0, debt), nowUs);
  }

  owable(resetAfterUs: number): number {
    return this.#tat.owable(resetAfterUs);
  }

  isIdle(words: Uint32Array, at: number, nowUs: Micros): boolean {
    this.#tat.read(words, at, nowUs);
    return this.#tat.aheadTicks <= 0;
  }

  /** Debt is kept in units, rounded up to a tick. */
  retune(words: Uint32Array, at: number, previous: Algorithm, nowUs: Micros): void {
    assert(previous instanceof Gcra, "state is carried over within one algorithm");
    const debt = this.#tat.convert(previous.debtTicks(words, at, nowUs), previous.#tat);
    this.#tat.store(words, at, Math.min(debt, this.#tat.horizonTicks), nowUs);
  }

  cover(words: Uint32Array, at: number, other: Uint32Array, otherAt: number, nowUs: Micros): void {
    const others = this.debtTicks(other, otherAt, nowUs);
    if (others > this.debtTicks(words, at, nowUs)) this.#tat.store(words, at, others, nowUs);
  }

  shift(words: Uint32Array, at: number, byUs: number): void {
    this.#tat.shift(words, at, byUs);
  }

  release(): void {}

  outsideBytes(): number {
    return 0;
  }

  /** How far TAT is ahead of now, in ticks; 0 when the key owes nothing. */
  protected debtTicks(words: Uint32Array, at: number, nowUs: Micros): number {
    this.#tat.read(words, at, nowUs);
    return Math.max(0, this.#tat.aheadTicks);
  }

  protected ceilUs(ticks: number): number {
    return this.#tat.ceilUs(ticks);
  }
}
