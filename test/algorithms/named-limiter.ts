/** A keyed limiter asked by name: what a shard does with one policy's table, in its smallest form. */
import { reportedUnits } from "../../admission/reported-usage.ts";
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { KeyedLimiter, type KeyedLimiterOptions } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { Verdict } from "../../core/decision.ts";
import { IdentityHash } from "../../core/half-sip-hash.ts";
import { micros } from "../../core/units.ts";

/** A whole verdict as a line of text, for comparing many. */
export function verdictLine(verdict: Verdict): string {
  return Object.entries(verdict).join(" ");
}

const utf8 = new TextEncoder();

export class NamedLimiter {
  readonly table: KeyedLimiter;
  readonly #hash = new IdentityHash(0x01234567, 0x89abcdef);

  constructor(params: AlgorithmParams, options: KeyedLimiterOptions = {}) {
    this.table = new KeyedLimiter(createAlgorithm(params), options);
  }

  decide(key: string, cost: number, nowUs: number): Verdict {
    const verdict = new Verdict();
    this.#identify(key);
    this.table.decide(this.#hash.high, this.#hash.low, cost, micros(nowUs), verdict);
    return verdict;
  }

  charge(key: string, cost: number, nowUs: number): void {
    this.#identify(key);
    this.table.charge(this.#hash.high, this.#hash.low, cost, micros(nowUs));
  }

  refund(key: string, cost: number, nowUs: number): void {
    this.#identify(key);
    this.table.refund(this.#hash.high, this.#hash.low, cost, micros(nowUs));
  }

  /** Charges usage that was only reported. */
  report(key: string, cost: number, nowUs: number): void {
    this.#identify(key);
    const verdict = new Verdict();
    this.table.evaluate(this.#hash.high, this.#hash.low, 0, micros(nowUs), verdict);
    this.table.commit(reportedUnits(this.table, cost, micros(nowUs), verdict));
  }

  retune(params: AlgorithmParams, nowUs: number): void {
    this.table.retune(createAlgorithm(params, this.table.algorithm), micros(nowUs));
  }

  sweep(nowUs: number, slots = Infinity): void {
    this.table.sweep(micros(nowUs), slots);
  }

  #identify(key: string): void {
    const bytes = utf8.encode(key);
    this.#hash.ofBytes(bytes, 0, bytes.length);
  }
}
