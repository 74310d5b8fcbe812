/**
 * Arrival times: a Poisson process whose rate is constant (steady) or jumps (spiky).
 *
 *     rate  ×5…10      ┌──┐          ┌─┐
 *                      │  │          │ │
 *           ×1   ──────┘  └──────────┘ └─────     quiet 2 … 6 s, burst 1 … 2 s, both uniform
 *
 * The distance between two arrivals is exponential in expected arrivals ("mass"), and the mass is spent
 * along the profile, so arrivals are exact across the jumps. `rate` is the baseline of a spiky profile.
 */
import type { Prng } from "../core/prng.ts";
import { US_PER_S } from "../core/units.ts";
import { ln } from "./portable-math.ts";

export const SHAPES = ["steady", "spiky"] as const;
export type Shape = (typeof SHAPES)[number];

const QUIET_MIN_US = 2 * US_PER_S;
const QUIET_MAX_US = 6 * US_PER_S;
const BURST_MIN_US = US_PER_S;
const BURST_MAX_US = 2 * US_PER_S;
const FACTOR_MIN_THOUSANDTHS = 5_000;
const FACTOR_MAX_THOUSANDTHS = 10_000;

export class Arrivals {
  readonly #durationUs: number;
  readonly #ratePerUs: number;
  readonly #gaps: Prng;
  readonly #bursts: Prng | undefined;
  #nowUs = 0;
  #segmentEndUs: number;
  #factor = 1;

  /** `rate` in arrivals per second. Without `bursts` the profile is steady. */
  constructor(rate: number, durationUs: number, gaps: Prng, bursts?: Prng) {
    this.#durationUs = durationUs;
    this.#ratePerUs = rate / US_PER_S;
    this.#gaps = gaps;
    this.#bursts = bursts;
    this.#segmentEndUs = bursts === undefined ? durationUs : between(bursts, QUIET_MIN_US, QUIET_MAX_US);
  }

  /** The next arrival in whole microseconds from the start, or undefined past the end. */
  next(): number | undefined {
    let mass = -ln(1 - this.#gaps.fraction());
    for (;;) {
      const endUs = Math.min(this.#segmentEndUs, this.#durationUs);
      const ratePerUs = this.#ratePerUs * this.#factor;
      const atUs = this.#nowUs + mass / ratePerUs;
      if (atUs < endUs) {
        this.#nowUs = atUs;
        return Math.floor(atUs);
      }
      if (endUs === this.#durationUs) return undefined;
      mass -= (endUs - this.#nowUs) * ratePerUs;
      this.#nowUs = endUs;
      this.#nextSegment();
    }
  }

  #nextSegment(): void {
    const bursts = this.#bursts;
    if (bursts === undefined) return;
    if (this.#factor === 1) {
      this.#factor = between(bursts, FACTOR_MIN_THOUSANDTHS, FACTOR_MAX_THOUSANDTHS) / 1000;
      this.#segmentEndUs += between(bursts, BURST_MIN_US, BURST_MAX_US);
    } else {
      this.#factor = 1;
      this.#segmentEndUs += between(bursts, QUIET_MIN_US, QUIET_MAX_US);
    }
  }
}

function between(prng: Prng, low: number, high: number): number {
  return low + prng.below(high - low + 1);
}
