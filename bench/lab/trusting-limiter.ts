/**
 * Limiters as they are often written, for one key and one unit at a time: each believes the time it is told, and
 * keeps no running maximum of its own. With one clock they decide by the book; with two they are what `clock-skew`
 * is about:
 *
 *      fixed window, sliding counter, conservative window    a count for each window's number, as each caller sees it
 *      sliding log       the caller throws away what *it* finds old, for everybody (ZREMRANGEBYSCORE)
 *      token bucket      refills by now − last and remembers last = now, also when that is a step back: every pair
 *                        of callers winds it up again
 *      GCRA              has its running maximum inside: max(TAT, now)
 *
 * Oracle: bench/oracle.ts, for times that never decrease.
 */
import type { AlgorithmName, AlgorithmParams } from "../../algorithms/algorithm.ts";

/** Whether one unit is admitted at a moment. */
type TrustingLimiter = (nowUs: number) => boolean;

type Make = (params: AlgorithmParams) => TrustingLimiter;

/** Fractions are multiplied out, as the oracle does: levels in 1/W of a unit, moments in 1/L of a µs. */
const MAKE: Partial<Readonly<Record<AlgorithmName, Make>>> = {
  "fixed-window": ({ limit, windowUs }) => {
    const counts = new WindowCounts(windowUs);
    return (nowUs) => counts.at(nowUs, 0) < limit && counts.add(nowUs);
  },

  "sliding-window": ({ limit, windowUs }) => {
    const counts = new WindowCounts(windowUs);
    return (nowUs) => {
      const previous = counts.at(nowUs, 1) * (windowUs - (nowUs % windowUs));
      return (counts.at(nowUs, 0) + 1) * windowUs + previous <= limit * windowUs && counts.add(nowUs);
    };
  },

  "conservative-window": ({ limit, windowUs, subWindows = 10 }) => {
    const counts = new WindowCounts(Math.ceil(windowUs / subWindows));
    return (nowUs) => {
      let sum = 0;
      for (let back = 0; back <= subWindows; back += 1) sum += counts.at(nowUs, back);
      return sum < limit && counts.add(nowUs);
    };
  },

  "sliding-log": ({ limit, windowUs }) => {
    let moments: number[] = [];
    return (nowUs) => {
      moments = moments.filter((us) => us > nowUs - windowUs);
      return moments.length < limit && moments.push(nowUs) > 0;
    };
  },

  "token-bucket": ({ limit, windowUs, burst = limit }) => {
    const full = burst * windowUs;
    let tokens = full;
    let lastUs = 0;
    return (nowUs) => {
      tokens = Math.min(full, tokens + Math.max(0, nowUs - lastUs) * limit);
      lastUs = nowUs;
      if (tokens < windowUs) return false;
      tokens -= windowUs;
      return true;
    };
  },

  gcra: ({ limit, windowUs, burst = limit }) => {
    let tatLate = 0;
    return (nowUs) => {
      const next = Math.max(tatLate, nowUs * limit) + windowUs;
      if (next - nowUs * limit > burst * windowUs) return false;
      tatLate = next;
      return true;
    };
  },
};

/** Undefined for an algorithm that nobody writes like that. */
export function trustingLimiter(params: AlgorithmParams): TrustingLimiter | undefined {
  return MAKE[params.algorithm]?.(params);
}

class WindowCounts {
  readonly #windowUs: number;
  readonly #counts = new Map<number, number>();

  constructor(windowUs: number) {
    this.#windowUs = windowUs;
  }

  /** Units of the window so many before the caller's. */
  at(nowUs: number, back: number): number {
    return this.#counts.get(Math.floor(nowUs / this.#windowUs) - back) ?? 0;
  }

  add(nowUs: number): true {
    const id = Math.floor(nowUs / this.#windowUs);
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    return true;
  }
}
