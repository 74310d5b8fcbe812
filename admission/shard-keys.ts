/**
 * The keys of one shard: one keyed limiter per policy, made when the first key of that policy arrives.
 *
 * When the policies change, a shard takes them over the next time it is touched: limiters of a policy whose
 * algorithm and window stayed the same are retuned and keep every key's debt; the others start afresh.
 */
import type { Algorithm } from "../algorithms/algorithm.ts";
import { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import type { MemoryBudget } from "../algorithms/memory-budget.ts";
import { canRetune, createAlgorithm } from "../algorithms/registry.ts";
import type { Micros } from "../core/units.ts";
import type { Policy } from "./policy.ts";
import type { PolicySet } from "./policy-set.ts";

/** Looked at per sweep call and limiter: some ten microseconds' worth. */
const SWEEP_SLOTS = 512;

export interface ShardUsage {
  keys: number;
  bytes: number;
  evictedLive: number;
  overflowed: number;
}

export class ShardKeys {
  readonly shard: number;
  readonly #budget: MemoryBudget;
  /** This shard's place in the growth cycle of all shards, 0 … 1. */
  readonly #stagger: number;
  #policies: PolicySet;
  /** By index into `#policies.policies`. */
  #limiters: (KeyedLimiter | undefined)[] = [];
  #sweepNext = 0;
  #retiredEvictions = 0;
  #retiredOverflows = 0;

  constructor(shard: number, stagger: number, policies: PolicySet, budget: MemoryBudget) {
    this.shard = shard;
    this.#stagger = stagger;
    this.#policies = policies;
    this.#budget = budget;
  }

  limiter(index: number): KeyedLimiter {
    return this.#limiters[index] ?? this.#openLimiter(index);
  }

  get revision(): number {
    return this.#policies.revision;
  }

  /** Puts other policies in force for this shard's keys. Cost: one pass over the retuned tables. */
  adopt(policies: PolicySet, nowUs: Micros): void {
    const byName = new Map<string, { policy: Policy; limiter: KeyedLimiter }>();
    for (const [index, limiter] of this.#limiters.entries()) {
      const policy = this.#policies.policies[index] as Policy;
      if (limiter !== undefined) byName.set(policy.name, { policy, limiter });
    }
    const kept: { index: number; limiter: KeyedLimiter; algorithm: Algorithm }[] = [];
    for (const [index, after] of policies.policies.entries()) {
      const before = byName.get(after.name);
      if (before === undefined || before.policy.dimension !== after.dimension) continue;
      if (!canRetune(before.policy, after)) continue;
      const { limiter } = before;
      // Throws for impossible numbers; nothing has been touched by then.
      kept.push({ index, limiter, algorithm: createAlgorithm(after, limiter.algorithm) });
      byName.delete(after.name);
    }
    this.#limiters = [];
    for (const { index, limiter, algorithm } of kept) {
      limiter.retune(algorithm, nowUs);
      this.#limiters[index] = limiter;
    }
    for (const { limiter } of byName.values()) this.#retire(limiter);
    this.#policies = policies;
    this.#sweepNext = 0;
  }

  /** Drops some idle keys of the next limiter in turn. */
  sweep(nowUs: Micros): void {
    if (this.#limiters.length === 0) return;
    this.#sweepNext = (this.#sweepNext + 1) % this.#limiters.length;
    this.#limiters[this.#sweepNext]?.sweep(nowUs, SWEEP_SLOTS);
  }

  /** Keys held for one policy. */
  keysOf(index: number): number {
    return this.#limiters[index]?.keys ?? 0;
  }

  usage(): ShardUsage {
    const usage = {
      keys: 0,
      bytes: 0,
      evictedLive: this.#retiredEvictions,
      overflowed: this.#retiredOverflows,
    };
    for (const limiter of this.#limiters) {
      if (limiter === undefined) continue;
      usage.keys += limiter.keys;
      usage.bytes += limiter.bytes();
      usage.evictedLive += limiter.evictedLive;
      usage.overflowed += limiter.overflowed;
    }
    return usage;
  }

  #openLimiter(index: number): KeyedLimiter {
    const algorithm = createAlgorithm(this.#policies.policies[index] as Policy);
    const limiter = new KeyedLimiter(algorithm, { stagger: this.#stagger, budget: this.#budget });
    this.#limiters[index] = limiter;
    return limiter;
  }

  #retire(limiter: KeyedLimiter): void {
    this.#retiredEvictions += limiter.evictedLive;
    this.#retiredOverflows += limiter.overflowed;
    limiter.dispose();
  }
}
