/**
 * One key under one policy, asked for one unit at a time: what the experiments about behaviour look at. Times are
 * microseconds from the start of an aligned window.
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { Verdict } from "../../core/decision.ts";
import { micros } from "../../core/units.ts";

/** Any key will do. */
const HIGH = 1;
const LOW = 1;
/** Windows that have passed before the start, so that earlier moments than the first exist. */
const WINDOWS_BEFORE = 1_000;

export class SingleKey {
  readonly #limiter: KeyedLimiter;
  readonly #verdict = new Verdict();
  readonly #startUs: number;

  constructor(params: AlgorithmParams) {
    this.#limiter = new KeyedLimiter(createAlgorithm(params));
    this.#startUs = WINDOWS_BEFORE * params.windowUs;
  }

  /** Asks for one unit. The verdict is overwritten by the next question. */
  ask(atUs: number): Verdict {
    this.#limiter.decide(HIGH, LOW, 1, micros(this.#startUs + atUs), this.#verdict);
    return this.#verdict;
  }
}

/** The most units among ascending moments that any window (t − W, t] holds. */
export function mostInWindow(momentsUs: readonly number[], windowUs: number): number {
  let most = 0;
  let oldest = 0;
  for (const [newest, atUs] of momentsUs.entries()) {
    while ((momentsUs[oldest] as number) <= atUs - windowUs) oldest += 1;
    most = Math.max(most, newest - oldest + 1);
  }
  return most;
}
