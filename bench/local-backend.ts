/**
 * PARL's own algorithms in this process: one keyed limiter, as one shard of one policy would have it.
 *
 * A decision is what an actor does for a check with one policy: hash the key's name, find its slot, decide.
 * Idle keys are swept as it goes, one slot a decision.
 */
import type { AlgorithmParams } from "../algorithms/algorithm.ts";
import { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../algorithms/registry.ts";
import { Verdict } from "../core/decision.ts";
import { IdentityHash } from "../core/half-sip-hash.ts";
import { Prng } from "../core/prng.ts";
import { micros } from "../core/units.ts";
import type { Backend, Footprint, VerdictSink } from "./backend.ts";
import type { EventColumns } from "./events.ts";

export class LocalBackend implements Backend {
  readonly name = "local";
  readonly #events: EventColumns;
  readonly #names: readonly string[];
  readonly #limiter: KeyedLimiter;
  readonly #hash: IdentityHash;
  readonly #verdict = new Verdict();

  constructor(events: EventColumns, names: readonly string[], params: AlgorithmParams, seed: number) {
    this.#events = events;
    this.#names = names;
    this.#limiter = new KeyedLimiter(createAlgorithm(params));
    const prng = new Prng(seed);
    this.#hash = new IdentityHash(prng.u32(), prng.u32());
  }

  submit(from: number, to: number, sink: VerdictSink): void {
    const { atUs, key, cost } = this.#events;
    const hash = this.#hash;
    const verdict = this.#verdict;
    for (let index = from; index < to; index += 1) {
      hash.ofString(this.#names[key[index]!]!);
      this.#limiter.decide(hash.high, hash.low, cost[index]!, micros(atUs[index]!), verdict);
      sink.decided(index, verdict.outcome === "allowed");
    }
    this.#limiter.sweep(micros(atUs[to - 1]!), to - from);
  }

  footprint(): Promise<Footprint> {
    const liveKeys = this.#limiter.keys;
    return Promise.resolve({
      liveKeys,
      bytesPerKey: liveKeys === 0 ? 0 : this.#limiter.bytes() / liveKeys,
      redisUsedMem: null,
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
