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
import type { Backend, Footprint, NamedEvents, VerdictSink } from "./backend.ts";
import type { EventColumns } from "./events.ts";
import { heldName } from "./held-keys.ts";
import { capacityOf } from "./oracle.ts";

const HOLD_BATCH = 10_000;

export class LocalBackend implements Backend {
  readonly name = "local";
  readonly roundTrips = 0;
  readonly #events: EventColumns;
  readonly #names: readonly string[];
  readonly #capacity: number;
  readonly #limiter: KeyedLimiter;
  readonly #hash: IdentityHash;
  readonly #verdict = new Verdict();

  constructor({ events, names }: NamedEvents, params: AlgorithmParams, seed: number) {
    this.#events = events;
    this.#names = names;
    this.#capacity = capacityOf(params);
    this.#limiter = new KeyedLimiter(createAlgorithm(params));
    const prng = new Prng(seed);
    this.#hash = new IdentityHash(prng.u32(), prng.u32());
  }

  hold(count: number, nowUs: number, onProgress: (share: number) => void): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      this.#hash.ofString(heldName(index));
      this.#limiter.decide(this.#hash.high, this.#hash.low, this.#capacity, micros(nowUs), this.#verdict);
      if (index % HOLD_BATCH === 0) onProgress(index / count);
    }
    return Promise.resolve();
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
}
