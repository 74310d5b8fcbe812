import { describe, expect, it } from "vitest";
import { ALGORITHMS, type AlgorithmParams } from "../../algorithms/algorithm.ts";
import { KeyedLimiter, type KeyedLimiterOptions } from "../../algorithms/keyed-limiter.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { Verdict } from "../../core/decision.ts";
import { Prng } from "../../core/prng.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { START_US } from "./histories.ts";
import { NamedLimiter } from "./named-limiter.ts";

const TEN_PER_10_S: AlgorithmParams = { algorithm: "gcra", limit: 10, windowUs: micros(10 * US_PER_S) };

/** Keys by their place in hash order, from 0 to 1. */
class PlacedLimiter {
  readonly limiter: KeyedLimiter;

  constructor(options: KeyedLimiterOptions) {
    this.limiter = new KeyedLimiter(createAlgorithm(TEN_PER_10_S), options);
  }

  decide(place: number, cost: number, nowUs = START_US): Verdict {
    const verdict = new Verdict();
    this.limiter.decide(Math.floor(place * 2 ** 32), 7, cost, micros(nowUs), verdict);
    return verdict;
  }

  remaining(place: number): number {
    return this.decide(place, 0).remaining;
  }
}

describe("two steps", () => {
  it("evaluates without a trace, and commits what it evaluated, new key or old", () => {
    const limiter = new KeyedLimiter(createAlgorithm(TEN_PER_10_S));
    const verdict = new Verdict();
    for (const [cost, remaining] of [
      [4, 6],
      [5, 1],
    ] as const) {
      for (let i = 0; i < 3; i += 1) limiter.evaluate(5, 5, cost, micros(START_US), verdict);
      expect(verdict).toMatchObject({ outcome: "allowed", remaining });
      limiter.commit(cost);
    }
    limiter.evaluate(5, 5, 0, micros(START_US), verdict);
    expect(verdict.remaining).toBe(1);
  });

  it("keeps no state for peeks and refusals", () => {
    const limiter = new NamedLimiter(TEN_PER_10_S);
    for (let key = 0; key < 1_000; key += 1) {
      limiter.decide(`peek ${key}`, 0, START_US);
      limiter.decide(`never ${key}`, 11, START_US);
      limiter.charge(`nothing ${key}`, 0, START_US);
    }
    expect(limiter.table.keys).toBe(0);
  });
});

describe("time", () => {
  it.each(ALGORITHMS)("may start at zero (%s)", (algorithm) => {
    const limiter = new NamedLimiter({ ...TEN_PER_10_S, algorithm });
    expect(limiter.decide("k", 10, 0)).toMatchObject({ outcome: "allowed", remaining: 0 });
    expect(limiter.decide("k", 1, 1).outcome).toBe("denied");
  });

  it("drops keys that are as good as new, and only those", () => {
    const limiter = new NamedLimiter(TEN_PER_10_S);
    for (let key = 1; key <= 10; key += 1) limiter.decide(`key ${key}`, key, START_US);
    const kept = [2.5, 6, 9.999999, 10].map((s) => {
      for (let rounds = 0; rounds < 2; rounds += 1) limiter.sweep(START_US + s * US_PER_S);
      return limiter.table.keys;
    });
    expect(kept).toEqual([8, 4, 1, 0]);
  });

  it("goes round before stored times can be misread, however often the limit changes meanwhile", () => {
    const params = { ...TEN_PER_10_S, algorithm: "fixed-window", windowUs: micros(1_000) } as const;
    const limiter = new NamedLimiter(params);
    limiter.charge("k", 10, START_US);
    // Each step is shorter than what makes a sweep due; after 65,536 windows their stored numbers repeat.
    for (let windows = 8_000; windows < 65_536; windows += 8_000) {
      limiter.retune({ ...params, limit: 20 }, START_US + windows * params.windowUs);
    }
    expect(limiter.decide("k", 0, START_US + 65_536 * params.windowUs).remaining).toBe(20);
  });

  it("meets every key when it is due, also those that a round begun long ago has left behind", () => {
    const params = { ...TEN_PER_10_S, algorithm: "fixed-window", windowUs: micros(1_000) } as const;
    const limiter = new NamedLimiter(params);
    const { staleAfterUs } = limiter.table.algorithm;
    limiter.charge("k", 10, START_US);
    limiter.sweep(START_US, 39);
    // Late enough for a sweep to be due; just too early for the next; and as late as before.
    limiter.decide("other", 0, START_US + staleAfterUs / 2 - 1);
    limiter.decide("other", 0, START_US + (3 / 4) * staleAfterUs - 2);
    expect(limiter.decide("k", 0, START_US + (5 / 4) * staleAfterUs - 3).remaining).toBe(10);
  });

  it("counts windows right to the last moment before a sweep is enforced", () => {
    const params = { ...TEN_PER_10_S, algorithm: "fixed-window", windowUs: micros(1_000) } as const;
    const limiter = new NamedLimiter(params);
    const { staleAfterUs } = limiter.table.algorithm;
    const lastOfWindowUs = START_US + 999;
    limiter.sweep(lastOfWindowUs);
    limiter.charge("k", 10, lastOfWindowUs);
    // A round that starts now and ends as late as it may; then silence, as long as it may be.
    limiter.sweep(lastOfWindowUs, 39);
    limiter.sweep(lastOfWindowUs + staleAfterUs / 4 - 1);
    limiter.decide("other", 0, lastOfWindowUs + staleAfterUs / 2 - 2);
    expect(limiter.decide("k", 0, lastOfWindowUs + staleAfterUs - 3).remaining).toBe(10);
  });

  it.each(["sliding-window", "conservative-window"] as const)(
    "reads a key right that a sweep left in place when it was as old as it may be (%s)",
    (algorithm) => {
      const params = { ...TEN_PER_10_S, algorithm, windowUs: micros(64_000), subWindows: 64 };
      const limiter = new NamedLimiter(params);
      const { staleAfterUs } = limiter.table.algorithm;
      limiter.sweep(START_US);
      limiter.charge("k", 10, START_US);
      // A round that starts when the key is about to become idle and ends as late as it may; then silence.
      const aliveUs = START_US + limiter.decide("k", 0, START_US).resetAfterUs - 1;
      limiter.sweep(aliveUs);
      limiter.sweep(aliveUs, 39);
      limiter.sweep(aliveUs + staleAfterUs / 4 - 1);
      limiter.decide("other", 0, aliveUs + staleAfterUs / 2 - 2);
      expect(limiter.decide("k", 0, aliveUs + staleAfterUs - 3).remaining).toBe(10);
    },
  );
});

describe("memory", () => {
  const LATER_US = START_US + 5 * US_PER_S;

  it("puts a new key in the place of the neighbour that loses least, and counts it", () => {
    const keys = new PlacedLimiter({ keysMax: 4 });
    for (const [place, cost] of [
      [0.2, 9],
      [0.4, 1],
      [0.6, 5],
      [0.8, 10],
    ] as const)
      keys.decide(place, cost);
    expect(keys.decide(0.5, 3)).toMatchObject({ outcome: "allowed", remaining: 7 });
    expect([0.2, 0.4, 0.6, 0.8, 0.5].map((place) => keys.remaining(place))).toEqual([1, 10, 5, 0, 7]);
    expect(keys.limiter).toMatchObject({ keys: 4, evictedLive: 1, overflowed: 0 });
  });

  it("prefers an idle neighbour, whose eviction is none", () => {
    const keys = new PlacedLimiter({ keysMax: 3 });
    for (const [place, cost] of [
      [0.2, 8],
      [0.4, 5],
      [0.6, 7],
    ] as const)
      keys.decide(place, cost);
    keys.decide(0.3, 1, LATER_US);
    expect([0.2, 0.4, 0.6, 0.3].map((place) => keys.remaining(place))).toEqual([7, 10, 8, 9]);
    expect(keys.limiter).toMatchObject({ keys: 3, evictedLive: 0 });
  });

  it("never evicts a blocked key, whatever floods in", () => {
    const keys = new PlacedLimiter({ keysMax: 64 });
    const blocked = Array.from({ length: 20 }, (_, i) => i / 20);
    for (const place of blocked) keys.decide(place, 10);
    const random = new Prng(3);
    for (let i = 0; i < 5_000; i += 1) keys.decide(random.fraction(), 1);
    expect(blocked.map((place) => keys.remaining(place))).toEqual(blocked.map(() => 0));
    expect(keys.limiter.keys).toBe(64);
    expect(keys.limiter.evictedLive).toBe(5_000 - 44);
  });

  it("lets new keys share one bucket when all are blocked, counts them, and ends that when it is idle", () => {
    const keys = new PlacedLimiter({ keysMax: 2 });
    for (const place of [0.3, 0.7]) keys.decide(place, 10);
    expect(keys.decide(0.1, 6)).toMatchObject({ outcome: "allowed", remaining: 4 });
    expect(keys.decide(0.5, 3)).toMatchObject({ outcome: "allowed", remaining: 1 });
    expect(keys.decide(0.9, 2)).toMatchObject({ outcome: "denied", remaining: 1 });
    expect(keys.limiter).toMatchObject({ keys: 3, overflowed: 3, evictedLive: 0 });

    const laterUs = START_US + 20 * US_PER_S;
    keys.limiter.sweep(micros(laterUs), Infinity);
    expect(keys.limiter.keys).toBe(0);
    expect([keys.decide(0.1, 6, laterUs).remaining, keys.decide(0.5, 3, laterUs).remaining]).toEqual([4, 7]);
  });

  it("pours what is reported for new keys into the same shared bucket", () => {
    const keys = new PlacedLimiter({ keysMax: 2 });
    for (const place of [0.3, 0.7]) keys.decide(place, 10);
    for (const high of [100, 200, 300]) keys.limiter.charge(high, 0, 3, micros(START_US));
    expect(keys.limiter.keys).toBe(3);
    expect(keys.remaining(0.9)).toBe(1);
  });

  it("gives new keys buckets of their own again when there is room, though the shared one is never idle", () => {
    const keys = new PlacedLimiter({ keysMax: 2 });
    for (const place of [0.3, 0.7]) keys.decide(place, 10);
    for (let s = 0; s < 60; s += 1) {
      keys.decide(s / 60 + 0.001, 3, START_US + s * US_PER_S);
      keys.limiter.sweep(micros(START_US + s * US_PER_S), Infinity);
    }
    expect(keys.limiter.keys).toBeLessThanOrEqual(2);
    expect(keys.decide(0.9999, 0, START_US + 59 * US_PER_S).remaining).toBe(10);
  });

  it("gives a new key a place of its own where a neighbour can make room, though others must share", () => {
    const keys = new PlacedLimiter({ keysMax: 100 });
    for (let i = 0; i < 100; i += 1) keys.decide(i / 100, i < 50 ? 10 : 1);
    keys.decide(0.001, 4);
    expect(keys.limiter).toMatchObject({ overflowed: 1, evictedLive: 0 });
    keys.decide(0.601, 4);
    expect(keys.limiter).toMatchObject({ overflowed: 1, evictedLive: 1 });
    expect(keys.remaining(0.601)).toBe(6);
  });

  it.each(ALGORITHMS)(
    "is all in the budget, whatever is asked or reported, and leaves it when disposed of (%s)",
    (algorithm) => {
      const budget = new MemoryBudget(100_000);
      const limiter = new NamedLimiter({ ...TEN_PER_10_S, algorithm }, { budget });
      const random = new Prng(1);
      let bytesMost = 0;
      for (let i = 0; i < 8_000; i += 1) {
        const key = `key ${random.below(8_000)}`;
        if (i % 3 === 0) limiter.charge(key, 12, START_US + i);
        else limiter.decide(key, 1, START_US + i);
        bytesMost = Math.max(bytesMost, budget.bytesUsed);
      }
      expect(budget.bytesUsed).toBe(limiter.table.bytes());
      expect(limiter.table.keys).toBeGreaterThan(500);
      // What a log must remember cannot be refused.
      if (algorithm !== "sliding-log") expect(bytesMost).toBeLessThanOrEqual(budget.bytesMax);
      limiter.table.dispose();
      expect(budget.bytesUsed).toBe(0);
    },
  );
});

it("forgets everything when cleared", () => {
  const limiter = new NamedLimiter(TEN_PER_10_S);
  for (let key = 0; key < 100; key += 1) limiter.decide(`key ${key}`, 10, START_US);
  limiter.table.clear();
  expect(limiter.table.keys).toBe(0);
  expect(limiter.decide("key 1", 10, START_US).outcome).toBe("allowed");
});
