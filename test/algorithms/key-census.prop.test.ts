import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { isMarked, KeyCensus, KeyQuota, markedLow } from "../../algorithms/key-census.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { StatePageWriter } from "../../algorithms/state-page.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { Verdict } from "../../core/decision.ts";
import { IdentityHash } from "../../core/half-sip-hash.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { START_US } from "./histories.ts";
import { verdictLine } from "./named-limiter.ts";

const PARAMS: AlgorithmParams = { algorithm: "gcra", limit: 10, windowUs: micros(10 * US_PER_S) };
const TABLES = 3;
const MARKED_MAX = 12;
/** Two that invent keys, and one with few. */
const TENANTS = [0x0001_0002, -0x7fff_0003, 0x0005_0006];
const MODEST = 2;
const MODEST_KEYS = 7;

interface Step {
  readonly kind: "decide" | "flood" | "forget" | "sweep" | "clear" | "travel" | "retune" | "wait";
  readonly tenant: number;
  readonly table: number;
  readonly key: number;
  readonly cost: number;
}

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom<Step["kind"][]>(
      "decide",
      "decide",
      "flood",
      "flood",
      "forget",
      "sweep",
      "clear",
      "travel",
      "retune",
      "wait",
    ),
    tenant: fc.nat({ max: TENANTS.length - 1 }),
    table: fc.nat({ max: TABLES - 1 }),
    key: fc.nat({ max: 60 }),
    cost: fc.integer({ min: 0, max: 10 }),
  }),
  { maxLength: 80, size: "max" },
);

interface Identity {
  readonly high: number;
  readonly low: number;
}

/** Three keys in four are marked, so that few are enough. No two tenants have the same high half. */
function identityOf(tenant: number, key: number): Identity {
  const place = key * TENANTS.length + tenant + 1;
  const high = Math.imul(place, 2_654_435_761);
  const marked = key % 4 === 3 ? high | 1 : high & ~63 & (place % 2 === 0 ? -1 : ~64);
  return { high: marked, low: markedLow(marked, place, TENANTS[tenant] as number) };
}

/** Two processes that hand tables to each other, beside what one would know who remembered whose every key is. */
class Processes {
  readonly censuses = [new KeyCensus(), new KeyCensus()] as const;
  readonly quotas = TENANTS.map((tenant) => new KeyQuota(tenant, MARKED_MAX));
  /** By table: in which process it is. */
  readonly homes: number[] = Array.from({ length: TABLES }, () => 0);
  readonly limiters: KeyedLimiter[];
  /** What the modest tenant alone would be told. */
  readonly alone: KeyedLimiter[];
  readonly ownerOf = new Map<string, number>();
  params = PARAMS;
  nowUs = START_US;
  readonly #verdict = new Verdict();

  constructor() {
    this.limiters = this.homes.map((home) => this.#open(home));
    this.alone = this.homes.map(() => new KeyedLimiter(createAlgorithm(PARAMS)));
    for (const [tenant, quota] of this.quotas.entries()) this.ownerOf.set(nameOf(quota), tenant);
  }

  decide(tenant: number, table: number, key: number, cost: number): void {
    const identity = identityOf(tenant, key);
    this.ownerOf.set(nameOf(identity), tenant);
    const limiter = this.limiters[table] as KeyedLimiter;
    const census = this.censuses[this.homes[table] as number] as KeyCensus;
    const quota = this.quotas[tenant] as KeyQuota;
    limiter.quota = quota;
    const keys = limiter.keys;
    limiter.decide(identity.high, identity.low, cost, micros(this.nowUs), this.#verdict);
    if (tenant === MODEST) {
      const answer = verdictLine(this.#verdict);
      this.alone[table]?.decide(identity.high, identity.low, cost, micros(this.nowUs), this.#verdict);
      expect(answer).toBe(verdictLine(this.#verdict));
    }
    const isShared = !limiter.isAbout(identity.high, identity.low);
    if (isShared) expect(census.isNearlyFull(quota)).toBe(true);
    else if (limiter.keys > keys) expect(census.keysOf(quota.tenant)).toBeLessThanOrEqual(128 * MARKED_MAX);
  }

  run({ kind, tenant, table, key, cost }: Step): void {
    const limiter = this.limiters[table] as KeyedLimiter;
    const both = [limiter, this.alone[table] as KeyedLimiter];
    switch (kind) {
      case "decide":
        this.decide(tenant, table, tenant === MODEST ? key % MODEST_KEYS : key, cost);
        return;
      case "flood":
        if (tenant === MODEST) return;
        for (let i = 0; i < 40; i += 1) this.decide(tenant, table, 100 + 40 * key + i, 1 + (i % 5));
        return;
      case "forget": {
        const { high, low } = identityOf(tenant, key);
        for (const each of tenant === MODEST ? both : [limiter]) each.forget(high, low, micros(this.nowUs));
        return;
      }
      case "sweep":
        limiter.sweep(micros(this.nowUs), key);
        return;
      case "clear":
        for (const each of both) each.clear();
        return;
      case "travel":
        this.#travel(table);
        return;
      case "retune":
        this.params = { ...PARAMS, limit: 5 + cost };
        for (const each of [...this.limiters, ...this.alone]) {
          each.retune(createAlgorithm(this.params, each.algorithm), micros(this.nowUs));
        }
        return;
      case "wait":
        this.nowUs += key * 100_000;
    }
  }

  /** What each census says of each tenant, and what it should. */
  compare(): void {
    for (const [process, census] of this.censuses.entries()) {
      const marks = TENANTS.map(() => [0, 0] as [number, number]);
      for (const [table, limiter] of this.limiters.entries()) {
        if (this.homes[table] !== process) continue;
        limiter.forEachKey((high, low) => {
          const tenant = this.ownerOf.get(nameOf({ high, low })) as number;
          if (isMarked(high)) (marks[tenant] as [number, number])[(high & 64) === 0 ? 0 : 1] += 1;
        });
      }
      expect(TENANTS.map((tenant) => census.keysOf(tenant) / 128)).toEqual(
        marks.map((counts) => Math.min(...counts)),
      );
      expect(census.isEmpty).toBe(marks.flat().every((count) => count === 0));
    }
  }

  #open(process: number): KeyedLimiter {
    const census = this.censuses[process] as KeyCensus;
    return new KeyedLimiter(createAlgorithm(this.params), { census });
  }

  #travel(table: number): void {
    const giver = this.limiters[table] as KeyedLimiter;
    const home = 1 - (this.homes[table] as number);
    const taker = this.#open(home);
    const page = new StatePageWriter({ bytes: 200 });
    const reader = new StatePageReader();
    for (let from = 0; from >= 0;) {
      giver.beginPage(page, "p", this.params);
      from = giver.writePage(from, page);
      reader.open(page.finish());
      taker.adoptPage(reader, micros(this.nowUs));
    }
    giver.dispose();
    this.homes[table] = home;
    this.limiters[table] = taker;
  }
}

function nameOf({ high, low }: Identity): string {
  return `${high >>> 0}/${low & 0xffff}`;
}

it("knows after any history what a walk over all tables would count", () => {
  fc.assert(
    fc.property(steps, (history) => {
      const processes = new Processes();
      for (const step of history) {
        processes.run(step);
        processes.compare();
      }
      for (const limiter of processes.limiters) limiter.dispose();
      for (const census of processes.censuses) expect(census.isEmpty).toBe(true);
    }),
    { numRuns: 300 },
  );
});

it("comes close to how many keys each tenant holds, whatever they are called", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.array(fc.nat({ max: 12_000 }), { minLength: 1, maxLength: 6 }),
      (seed, sizes) => {
        const census = new KeyCensus();
        const hash = new IdentityHash(seed, 7);
        const verdict = new Verdict();
        const limiter = new KeyedLimiter(createAlgorithm(PARAMS), { census });
        const quotas = sizes.map((_, index) => {
          hash.ofString(`tenant ${index}`);
          // Holds just what it may: never full.
          return KeyQuota.of(hash.high, Math.max(1, sizes[index] as number), 1);
        });
        for (const [index, quota] of quotas.entries()) {
          const keys = hash.withPrefix(String(index));
          limiter.quota = quota;
          for (let key = 0; key < (sizes[index] as number); key += 1) {
            keys.ofString(`k${key}`);
            const low = markedLow(keys.high, keys.low, quota.tenant);
            limiter.decide(keys.high, low, 1, micros(START_US), verdict);
          }
        }
        expect(limiter.overflowed).toBe(0);
        for (const [index, size] of sizes.entries()) {
          const errorMax = 7 * Math.sqrt(128 * size) + 7 * 128;
          expect(Math.abs(census.keysOf(quotas[index]?.tenant as number) - size)).toBeLessThan(errorMax);
        }
      },
    ),
    { numRuns: 20 },
  );
});
