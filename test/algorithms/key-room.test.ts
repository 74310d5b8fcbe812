import { describe, expect, it } from "vitest";
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { KeyCensus, KeyQuota } from "../../algorithms/key-census.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { StatePageWriter } from "../../algorithms/state-page.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { Verdict } from "../../core/decision.ts";
import { Prng } from "../../core/prng.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { START_US } from "./histories.ts";
import { adoptAll, newLimiter, pagesOf, peeked } from "./travelling.ts";

const TEN_PER_10_S: AlgorithmParams = { algorithm: "gcra", limit: 10, windowUs: micros(10 * US_PER_S) };
const MARKED_MAX = 16;
const ACME = new KeyQuota(0x1234abcd, MARKED_MAX);
const GLOBEX = new KeyQuota(0x7654cdef, MARKED_MAX);

/** One process: what it counts, and a table asked by tenants whose keys are all marked. */
class MarkedLimiter {
  readonly census: KeyCensus;
  readonly limiter: KeyedLimiter;

  constructor(census = new KeyCensus(), keysMax = Infinity) {
    this.census = census;
    this.limiter = new KeyedLimiter(createAlgorithm(TEN_PER_10_S), { census, keysMax });
  }

  /** The tenant's n-th key; even and odd ones carry its two marks. */
  decide(quota: KeyQuota, n: number, cost: number, nowUs = START_US): Verdict {
    const verdict = new Verdict();
    this.limiter.quota = quota;
    this.limiter.decide(highOf(n), lowOf(quota, n), cost, micros(nowUs), verdict);
    return verdict;
  }

  remaining(quota: KeyQuota, n: number, nowUs = START_US): number {
    return this.decide(quota, n, 0, nowUs).remaining;
  }

  /** Charges so many of a tenant's keys 1, or more. */
  hold(quota: KeyQuota, keys: number, cost = 1, nowUs = START_US): void {
    for (let n = 0; n < keys; n += 1) this.decide(quota, n, cost, nowUs);
  }
}

function highOf(n: number): number {
  return (n + 1) << 6;
}

function lowOf({ tenant }: KeyQuota, n: number): number {
  return (n + 1) % 2 === 0 ? tenant >>> 16 : tenant & 0xffff;
}

describe("a tenant that is full", () => {
  it("has its new keys share one bucket, which are counted, and keeps those it has", () => {
    const keys = new MarkedLimiter();
    keys.hold(ACME, 32, 3);
    expect(keys.limiter).toMatchObject({ keys: 32, overflowed: 0 });
    expect([4, 3, 4].map((cost, n) => keys.decide(ACME, 100 + n, cost))).toMatchObject([
      { outcome: "allowed", remaining: 6 },
      { outcome: "allowed", remaining: 3 },
      { outcome: "denied", remaining: 3 },
    ]);
    expect(keys.limiter).toMatchObject({ keys: 33, overflowed: 3, evictedLive: 0 });
    for (let n = 0; n < 32; n += 1) expect(keys.remaining(ACME, n)).toBe(7);
    expect(keys.decide(ACME, 5, 7)).toMatchObject({ outcome: "allowed", remaining: 0 });
  });

  it("changes nothing for another, however many keys it invents", () => {
    const [keys, alone] = [new MarkedLimiter(), new MarkedLimiter()];
    const asked: Verdict[][] = [[], []];
    for (let n = 0; n < 3_000; n += 1) {
      for (let i = 0; i < 10; i += 1) keys.decide(ACME, 10 * n + i, 1 + (i % 10));
      for (const [place, each] of [keys, alone].entries())
        asked[place]?.push(each.decide(GLOBEX, n % 31, 1 + (n % 4)));
    }
    expect(asked[0]).toEqual(asked[1]);
    expect(keys.limiter.keys).toBe(32 + 1 + 31);
    expect(keys.limiter).toMatchObject({ evictedLive: 0, overflowed: 30_000 - 32 });
    expect(alone.limiter.overflowed).toBe(0);
  });

  it("never frees a blocked key, its own or anybody's, by inventing others", () => {
    const keys = new MarkedLimiter();
    keys.hold(GLOBEX, 20, 10);
    keys.hold(ACME, 5, 10);
    for (let n = 100; n < 4_000; n += 1) keys.decide(ACME, n, 1);
    for (let n = 0; n < 20; n += 1) expect(keys.remaining(GLOBEX, n)).toBe(0);
    for (let n = 0; n < 5; n += 1) expect(keys.remaining(ACME, n)).toBe(0);
  });

  it("does not take the bucket of another that is full", () => {
    const keys = new MarkedLimiter();
    for (const quota of [ACME, GLOBEX]) keys.hold(quota, 32);
    keys.decide(ACME, 100, 8);
    expect(keys.remaining(ACME, 101)).toBe(2);
    expect(keys.remaining(GLOBEX, 101)).toBe(10);
    keys.decide(GLOBEX, 102, 3);
    expect([ACME, GLOBEX].map((quota) => keys.remaining(quota, 103))).toEqual([2, 7]);
  });

  it("is full in all tables, and has a bucket in each", () => {
    const first = new MarkedLimiter();
    const second = new MarkedLimiter(first.census);
    first.hold(ACME, 32);
    second.decide(ACME, 50, 6);
    second.decide(ACME, 51, 3);
    first.decide(ACME, 52, 2);
    expect([first, second].map((table) => table.remaining(ACME, 53))).toEqual([8, 1]);
    expect([first.limiter.keys, second.limiter.keys]).toEqual([33, 1]);
  });

  it("is not full of keys that are as good as new", () => {
    const keys = new MarkedLimiter();
    keys.hold(ACME, 32, 1);
    const laterUs = START_US + US_PER_S;
    // Nobody has swept: the new key's own neighbourhood is, and it has a place of its own again.
    expect(keys.decide(ACME, 100, 10, laterUs).remaining).toBe(0);
    expect(keys.remaining(ACME, 101, laterUs)).toBe(10);
    expect(keys.limiter).toMatchObject({ keys: 1, overflowed: 0, evictedLive: 0 });
  });

  it("makes room before it is full", () => {
    const keys = new MarkedLimiter();
    keys.hold(ACME, 28, 1);
    expect(keys.limiter.keys).toBe(28);
    keys.decide(ACME, 100, 1, START_US + US_PER_S);
    expect(keys.limiter.keys).toBe(1);
  });

  it("pours what is reported into the bucket too", () => {
    const keys = new MarkedLimiter();
    keys.hold(ACME, 32);
    keys.limiter.quota = ACME;
    for (const n of [200, 201, 202]) keys.limiter.charge(highOf(n), lowOf(ACME, n), 3, micros(START_US));
    expect(keys.remaining(ACME, 203)).toBe(1);
    expect(keys.limiter.keys).toBe(33);
  });

  it("starts its bucket with what keys never seen owe", () => {
    const keys = new MarkedLimiter();
    keys.hold(ACME, 32);
    keys.limiter.setArrears({ units: 4, atUs: micros(START_US) });
    expect(keys.decide(ACME, 100, 3)).toMatchObject({ outcome: "allowed", remaining: 3 });
    expect(keys.decide(ACME, 101, 4).outcome).toBe("denied");
  });

  it("says which slot a decision was about, for whoever keeps a journal or tracks what is charged", () => {
    const keys = new MarkedLimiter();
    const touched: string[] = [];
    keys.hold(ACME, 32);
    keys.limiter.track((high, low) => touched.push(`${high}/${low}`));
    for (const n of [100, 101]) {
      keys.decide(ACME, n, 1);
      expect([keys.limiter.high, keys.limiter.low]).toEqual([ACME.high, ACME.low]);
      expect(keys.limiter.isAbout(highOf(n), lowOf(ACME, n))).toBe(false);
    }
    keys.decide(ACME, 7, 1);
    expect(keys.limiter.isAbout(highOf(7), lowOf(ACME, 7))).toBe(true);
    const bucket = `${ACME.high}/${ACME.low}`;
    expect(touched).toEqual([bucket, bucket, `${highOf(7)}/${lowOf(ACME, 7)}`]);
  });

  it("shares everybody's bucket while it is not full and the memory is spent", () => {
    const keys = new MarkedLimiter(new KeyCensus(), 4);
    keys.hold(GLOBEX, 4, 10);
    keys.decide(ACME, 0, 6);
    expect(keys.remaining(GLOBEX, 50)).toBe(4);
  });
});

describe("a shard on its way", () => {
  it("takes its tenants' keys and buckets off one process and to another, which counts them", () => {
    const [giver, taker] = [new MarkedLimiter(), new MarkedLimiter()];
    giver.hold(ACME, 32);
    for (const n of [100, 101]) giver.decide(ACME, n, 4);
    const page = new StatePageWriter();
    giver.limiter.beginPage(page, "p", TEN_PER_10_S);
    expect(giver.limiter.writePage(0, page)).toBe(-1);
    const reader = new StatePageReader();
    reader.open(page.finish());
    expect(taker.limiter.adoptPage(reader, micros(START_US))).toBe(33);
    for (const { census } of [giver, taker]) expect(census.isFull(ACME)).toBe(true);
    expect([giver, taker].map((there) => there.remaining(ACME, 102))).toEqual([2, 2]);
    giver.limiter.dispose();
    expect(giver.census.isEmpty).toBe(true);
    // Who was full there is full here, and one with room there has room here.
    expect(taker.remaining(ACME, 103)).toBe(2);
    expect(taker.remaining(GLOBEX, 0)).toBe(10);
  });

  it("brings all of its keys, also those of a tenant that is full already", () => {
    const [giver, taker] = [new MarkedLimiter(), new MarkedLimiter()];
    for (let n = 40; n < 60; n += 1) giver.decide(ACME, n, 9);
    taker.hold(ACME, 32);
    const page = new StatePageWriter();
    giver.limiter.beginPage(page, "p", TEN_PER_10_S);
    giver.limiter.writePage(0, page);
    const reader = new StatePageReader();
    reader.open(page.finish());
    expect(taker.limiter.adoptPage(reader, micros(START_US))).toBe(20);
    for (let n = 40; n < 60; n += 1) expect(taker.remaining(ACME, n)).toBe(1);
  });
});

it("counts a key off however it goes", () => {
  const keys = new MarkedLimiter();
  keys.hold(ACME, 40);
  expect(keys.census.isEmpty).toBe(false);
  keys.limiter.sweep(micros(START_US + US_PER_S), Infinity);
  expect(keys.census.isEmpty).toBe(true);
  keys.hold(ACME, 40, 10, START_US + US_PER_S);
  keys.limiter.clear();
  expect(keys.census.isEmpty).toBe(true);
  keys.hold(ACME, 40, 10, START_US + US_PER_S);
  // Nothing was touched for longer than any debt lasts.
  keys.remaining(ACME, 0, START_US + 2 * keys.limiter.algorithm.staleAfterUs);
  expect(keys.census.isEmpty).toBe(true);
});

describe("many keys that come in hash order", () => {
  const MANY = 40_000;
  const BLOCKED_EVERY = 3;

  function many(): KeyedLimiter {
    const limiter = newLimiter(TEN_PER_10_S);
    const random = new Prng(5);
    for (let i = 0; i < MANY; i += 1) {
      limiter.charge(random.u32(), 0, i % BLOCKED_EVERY === 0 ? 10 : 1 + random.below(9), micros(START_US));
    }
    return limiter;
  }

  it("find room for all of them made by the first page", () => {
    const giver = many();
    const [first, ...others] = pagesOf(giver, TEN_PER_10_S, { bytes: 8_192 });
    const taker = newLimiter(TEN_PER_10_S);
    adoptAll(taker, [first!], START_US);
    expect(taker.bytes()).toBe(giver.bytes());
    adoptAll(taker, others, START_US);
    expect([taker.keys, taker.bytes()]).toEqual([giver.keys, giver.bytes()]);
  });

  it("lose none to a table that happens to grow just then", () => {
    const random = new Prng(6);
    const giver = newLimiter(TEN_PER_10_S);
    for (let i = 0; i < 3_000; i += 1) giver.charge(random.u32(), 0, 10, micros(START_US));
    const pages = pagesOf(giver, TEN_PER_10_S, { bytes: 4_096 });
    for (let own = 200; own < 600; own += 1) {
      const taker = newLimiter(TEN_PER_10_S);
      for (let key = 1; key <= own; key += 1) taker.charge(key * 5_000_011, 1, 10, micros(START_US));
      adoptAll(taker, pages, START_US);
      expect([taker.keys, taker.evictedLive, taker.overflowed]).toEqual([giver.keys + own, 0, 0]);
    }
  });

  it("share what room there is when it is too small, from the first to the last, and no blocked key is freed", () => {
    const giver = many();
    const budget = new MemoryBudget(giver.bytes() * 0.6);
    const taker = new KeyedLimiter(createAlgorithm(TEN_PER_10_S), { budget });
    adoptAll(taker, pagesOf(giver, TEN_PER_10_S, { bytes: 8_192 }), START_US);
    expect(taker.keys).toBeGreaterThan(MANY * 0.35);
    expect(taker.evictedLive).toBeGreaterThan(0);
    expect(budget.bytesUsed).toBeLessThanOrEqual(budget.bytesMax);
    const random = new Prng(5);
    const inQuarter = [0, 0, 0, 0];
    for (let i = 0; i < MANY; i += 1) {
      const high = random.u32();
      const isBlocked = i % BLOCKED_EVERY === 0;
      if (!isBlocked) random.below(9);
      const { remaining } = peeked(taker, { high, low: 0 }, START_US);
      if (isBlocked) expect(remaining).toBe(0);
      else if (taker.isAbout(high, 0) && remaining > 0 && remaining < 10) inQuarter[high >>> 30]! += 1;
    }
    expect(Math.min(...inQuarter)).toBeGreaterThan(100);
  });

  it("are not thought too many for the idle ones that stay behind", () => {
    const giver = newLimiter(TEN_PER_10_S);
    const random = new Prng(8);
    for (let i = 0; i < MANY; i += 1) giver.charge(random.u32(), 0, 1, micros(START_US));
    // The table was told of them all, and not swept since.
    const nowUs = START_US + 2 * US_PER_S;
    const live = Array.from({ length: MANY / 10 }, () => random.u32());
    for (const [i, high] of live.entries()) giver.charge(high, 0, 2 + (i % 9), micros(nowUs));
    const budget = new MemoryBudget(giver.bytes() * 0.5);
    const taker = new KeyedLimiter(createAlgorithm(TEN_PER_10_S), { budget });
    adoptAll(taker, pagesOf(giver, TEN_PER_10_S, { bytes: 8_192 }), nowUs);
    expect([taker.keys, taker.evictedLive, taker.overflowed]).toEqual([live.length, 0, 0]);
    expect(budget.bytesUsed).toBeLessThanOrEqual(budget.bytesMax);
  });
});
