/**
 * Zipf-distributed ranks: rank k of n is drawn with probability k^−s / Σ i^−s, for any s ≥ 0.
 *
 * Rejection-inversion: invert the integral of the hat x^−s, round to a whole rank, and reject the sliver
 * by which the hat stands above the rank's bar. Nothing is tabulated, so ten million ranks cost what ten
 * cost: fewer than 1.2 rounds on average, and no memory. Exact but for the rounding of doubles.
 *
 * Source: W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from monotone discrete
 * distributions", ACM TOMACS 6(3), 1996.
 */
import type { Prng } from "../core/prng.ts";
import { exp, ln } from "./portable-math.ts";

export class Zipf {
  readonly #ranks: number;
  readonly #exponent: number;
  readonly #areaLow: number;
  readonly #areaHigh: number;
  /** Below this distance from its rank a draw is accepted without looking at the bar. */
  readonly #squeeze: number;

  constructor(ranks: number, exponent: number) {
    this.#ranks = ranks;
    this.#exponent = exponent;
    this.#areaLow = this.#area(1.5) - 1;
    this.#areaHigh = this.#area(ranks + 0.5);
    this.#squeeze = 2 - this.#areaInverse(this.#area(2.5) - this.#bar(2));
  }

  /** A rank from 0 (the most frequent) to ranks − 1. */
  draw(prng: Prng): number {
    for (;;) {
      const area = this.#areaHigh + prng.fraction() * (this.#areaLow - this.#areaHigh);
      const x = this.#areaInverse(area);
      const rank = Math.min(Math.max(Math.floor(x + 0.5), 1), this.#ranks);
      if (rank - x <= this.#squeeze || area >= this.#area(rank + 0.5) - this.#bar(rank)) return rank - 1;
    }
  }

  #bar(x: number): number {
    return exp(-this.#exponent * ln(x));
  }

  /** ∫ x^−s from 1, written so that it passes smoothly through s = 1, where it is ln x. */
  #area(x: number): number {
    const logX = ln(x);
    return expm1Over((1 - this.#exponent) * logX) * logX;
  }

  #areaInverse(area: number): number {
    // The clamp matters only for the last double below the pole of s > 1.
    const t = Math.max(area * (1 - this.#exponent), -1);
    return exp(log1pOver(t) * area);
  }
}

/** (e^x − 1) / x without cancellation near 0 (Kahan). */
function expm1Over(x: number): number {
  const power = exp(x);
  return power === 1 ? 1 : (power - 1) / ln(power);
}

/** ln(1 + x) / x without cancellation near 0 (Kahan). */
function log1pOver(x: number): number {
  const sum = 1 + x;
  return sum === 1 ? 1 : ln(sum) / (sum - 1);
}
