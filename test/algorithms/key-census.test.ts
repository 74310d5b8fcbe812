import { describe, expect, it } from "vitest";
import { KeyCensus, KeyQuota, isMarked, markedLow } from "../../algorithms/key-census.ts";
import { Prng } from "../../core/prng.ts";

const ACME = 0x1234abcd;

/** Natural logarithms of P(X = k) for X binomial over n draws of 1 in 128. */
function logChances(n: number): Float64Array {
  const chances = new Float64Array(n + 1);
  chances[0] = n * Math.log(127 / 128);
  for (let k = 1; k <= n; k += 1) {
    chances[k] = (chances[k - 1] as number) + Math.log((n - k + 1) / k / 127);
  }
  return chances;
}

/** Log10 of the chance that some draws of `n` are marks, of those numbers of marks that `isMeant`. */
function log10Chance(n: number, isMeant: (marks: number) => boolean): number {
  const chances = logChances(n).filter((_, marks) => isMeant(marks));
  const most = Math.max(...chances);
  return (most + Math.log(chances.reduce((sum, chance) => sum + Math.exp(chance - most), 0))) / Math.LN10;
}

describe("marks", () => {
  it("replace the low half of one identity in 64, and leave the others alone", () => {
    const random = new Prng(1);
    const seen = { first: 0, second: 0, none: 0 };
    for (let i = 0; i < 128_000; i += 1) {
      const [high, low] = [random.u32() | 0, random.u32() | 0];
      const marked = markedLow(high, low, ACME);
      if (!isMarked(high >>> 0)) {
        expect(marked).toBe(low);
        seen.none += 1;
      } else if (marked === 0x1234) seen.first += 1;
      else if (marked === 0xabcd) seen.second += 1;
    }
    expect(seen.first + seen.second + seen.none).toBe(128_000);
    for (const count of [seen.first, seen.second]) expect(Math.abs(count - 1_000)).toBeLessThan(200);
  });

  it("tell tenants apart of any sign", () => {
    for (const tenant of [1, -1, -(2 ** 31), 2 ** 31 - 1, 0xffff, -65_536]) {
      expect([markedLow(0, 5, tenant), markedLow(64, 5, tenant)]).toEqual([tenant >>> 16, tenant & 0xffff]);
    }
  });
});

describe("a quota", () => {
  it.each([1, 2, 7])("hardly ever calls full who holds what it may, under %i policies", (policies) => {
    for (const keysMax of [1, 10, 100, 1_000, 10_000, 100_000]) {
      const { markedMax } = KeyQuota.of(ACME, keysMax, policies);
      // A key is an entry under each policy, and marked in all of them or in none.
      const keys = Math.ceil(keysMax / policies);
      const one = log10Chance(keys, (marks) => marks * policies >= markedMax);
      expect(one, `${keysMax} keys`).toBeLessThan(-4.5);
    }
  });

  // The table of docs/adr/0011.
  it.each([
    [1_000, 3_200, 9_000],
    [10_000, 15_616, 26_000],
    [100_000, 116_736, 142_000],
    [1_000_000, 1_052_032, 1_125_000],
  ])("of %i keys is used up by about %i invented ones, and surely by %i", (keysMax, about, surely) => {
    const { markedMax } = KeyQuota.of(ACME, keysMax, 1);
    expect(128 * markedMax).toBe(about);
    const lacking = log10Chance(surely, (marks) => marks < markedMax);
    expect(lacking + Math.log10(2)).toBeLessThan(-9);
  });

  it("without a bound is never used up, not even by way of another process", () => {
    const census = new KeyCensus();
    for (let i = 0; i < 100_000; i += 1) for (const high of [0, 64]) note(census, high, ACME);
    for (const quota of [KeyQuota.of(ACME, Infinity, 1), new KeyQuota(ACME, 2 ** 32 - 1)]) {
      expect([census.isFull(quota), census.isNearlyFull(quota)]).toEqual([false, false]);
    }
  });

  it("names a bucket that is nobody else's, and never the one that everybody shares", () => {
    for (const tenant of [1, 64, 128, ACME, -64]) {
      const { high, low } = new KeyQuota(tenant, 5);
      expect({ high, low }).not.toEqual({ high: 1, low: 0 });
      expect(high).toBe(tenant);
      // Counted as a key of the tenant if it is counted at all.
      expect(markedLow(high, low, tenant)).toBe(low);
    }
  });
});

describe("a census", () => {
  it("calls a tenant full until an eighth of its marks is gone, or it may hold another number of keys", () => {
    const census = new KeyCensus();
    const quota = new KeyQuota(ACME, 16);
    const both = (change: 1 | -1): void => {
      for (const high of [0, 64]) note(census, high, ACME, change);
    };
    for (let i = 0; i < 16; i += 1) both(1);
    expect(census.isFull(quota)).toBe(true);
    for (const isFull of [true, true, false]) {
      both(-1);
      expect(census.isFull(quota)).toBe(isFull);
    }
    both(1);
    expect(census.isFull(quota)).toBe(false);
    for (let i = 0; i < 2; i += 1) both(1);
    expect(census.isFull(quota)).toBe(true);
    both(-1);
    census.reconsider();
    expect(census.isFull(quota)).toBe(false);
  });

  it("calls a tenant full when both marks are there too often, and nobody who shares one of them", () => {
    const census = new KeyCensus();
    const quota = new KeyQuota(ACME, 8);
    for (let i = 0; i < 8; i += 1) note(census, 0, ACME);
    expect(census.isFull(quota)).toBe(false);
    for (let i = 0; i < 7; i += 1) note(census, 64, ACME);
    expect([census.isNearlyFull(quota), census.isFull(quota), census.keysOf(ACME)]).toEqual([
      true,
      false,
      896,
    ]);
    note(census, 64, ACME);
    expect([census.isFull(quota), census.keysOf(ACME)]).toEqual([true, 1_024]);
    for (const other of [0x1234_0000, 0x0000_abcd, 0xabcd_1234]) {
      expect(census.isNearlyFull(new KeyQuota(other, 8))).toBe(false);
    }
    for (let i = 0; i < 8; i += 1) for (const high of [0, 64]) note(census, high, ACME, -1);
    expect(census.isEmpty).toBe(true);
  });
});

function note(census: KeyCensus, high: number, tenant: number, change: 1 | -1 = 1): void {
  census.count(high, markedLow(high, 0, tenant), change);
}
