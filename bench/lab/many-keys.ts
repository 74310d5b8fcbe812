/** Numbered keys under one policy, in one key table as a shard would have it. */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { Verdict } from "../../core/decision.ts";
import { Prng } from "../../core/prng.ts";
import { micros } from "../../core/units.ts";

export class ManyKeys {
  readonly #limiter: KeyedLimiter;
  /** Two words a key. */
  readonly #identities: Uint32Array;
  readonly #verdict = new Verdict();

  constructor(params: AlgorithmParams, keys: number, seed: number) {
    this.#limiter = new KeyedLimiter(createAlgorithm(params));
    const prng = new Prng(seed);
    this.#identities = Uint32Array.from({ length: 2 * keys }, () => prng.u32());
  }

  /** Whether `cost` is admitted. */
  ask(key: number, cost: number, atUs: number): boolean {
    const [high, low] = [this.#identities[2 * key]!, this.#identities[2 * key + 1]!];
    this.#limiter.decide(high, low, cost, micros(atUs), this.#verdict);
    return this.#verdict.outcome === "allowed";
  }

  /** Of the table and what is kept beside it. */
  bytes(): number {
    return this.#limiter.bytes();
  }
}
