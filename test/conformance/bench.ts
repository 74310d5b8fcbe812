/** What the cases of the conformance table are made of: a limiter under test, and the assertions that several share. */
import { expect } from "vitest";
import type { AlgorithmName, AlgorithmParams } from "../../algorithms/algorithm.ts";
import type { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S } from "../../core/units.ts";

type Answer = Omit<Verdict, "copyFrom">;

export interface LimiterUnderTest {
  /** Evaluates, and charges if allowed. The answer must not change later. */
  decide(key: string, cost: number, nowUs: number): Answer | Promise<Answer>;
  /** Charges usage that already happened. */
  report(key: string, cost: number, nowUs: number): void | Promise<void>;
  /** Takes the newest units that were charged back out. */
  refund(key: string, cost: number, nowUs: number): void | Promise<void>;
  /** Puts another limit of the same algorithm and window in force. */
  retune(params: AlgorithmParams, nowUs: number): void | Promise<void>;
}

export type NewLimiter = (params: AlgorithmParams) => LimiterUnderTest | Promise<LimiterUnderTest>;

export interface Case {
  readonly title: string;
  /** All of them when absent. */
  readonly algorithms?: readonly AlgorithmName[];
  readonly run: (bench: Bench) => Promise<void>;
}

export const T0 = 1_700_000_040 * US_PER_S;
export const WINDOW_US = 10 * US_PER_S;

/** One algorithm of one implementation, and the assertions that several cases share. */
export class Bench {
  readonly algorithm: AlgorithmName;
  readonly #newLimiter: NewLimiter;

  constructor(algorithm: AlgorithmName, newLimiter: NewLimiter) {
    this.algorithm = algorithm;
    this.#newLimiter = newLimiter;
  }

  params(limit: number, windowUs = WINDOW_US): AlgorithmParams {
    return { algorithm: this.algorithm, limit, windowUs: micros(windowUs) };
  }

  async limiter(limit = 10, windowUs = WINDOW_US): Promise<LimiterUnderTest> {
    return await this.#newLimiter(this.params(limit, windowUs));
  }

  /** Denied now, denied again one microsecond before the wait told is over, allowed on time. */
  async expectExactDenial(
    limiter: LimiterUnderTest,
    key: string,
    cost: number,
    nowUs: number,
  ): Promise<Answer> {
    const denied = await limiter.decide(key, cost, nowUs);
    expect(denied.outcome).toBe("denied");
    expect(Number.isSafeInteger(denied.retryAfterUs)).toBe(true);
    const early = await limiter.decide(key, cost, nowUs + denied.retryAfterUs - 1);
    expect(early).toMatchObject({ outcome: "denied", retryAfterUs: 1 });
    const onTime = await limiter.decide(key, cost, nowUs + denied.retryAfterUs);
    expect(onTime).toMatchObject({ outcome: "allowed", retryAfterUs: 0 });
    return denied;
  }

  /** The same on keys of their own, for costs from one unit to all there are. */
  async expectExactDenials(limit: number, windowUs: number): Promise<void> {
    for (const cost of new Set([1, Math.ceil(limit / 2), limit])) {
      const limiter = await this.limiter(limit, windowUs);
      await limiter.decide("k", Math.ceil(limit / 2), T0 + 1);
      await limiter.decide("k", Math.floor(limit / 2), T0 + 2);
      await this.expectExactDenial(limiter, "k", cost, T0 + 3);
    }
  }
}
