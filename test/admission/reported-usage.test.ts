import { describe, expect, it } from "vitest";
import { reportedUnits } from "../../admission/reported-usage.ts";
import type { AlgorithmName } from "../../algorithms/algorithm.ts";
import { KeyCensus, KeyQuota } from "../../algorithms/key-census.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm, UNITS_MAX } from "../../algorithms/registry.ts";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { START_US } from "../algorithms/histories.ts";
import { NamedLimiter } from "../algorithms/named-limiter.ts";

const MINUTE_US = 60 * US_PER_S;
const BUCKETS = ["gcra", "token-bucket", "leaky-bucket", "leaky-queue"] as const;

/** One unit a second. */
function limiterOf(algorithm: AlgorithmName, burst = 60): NamedLimiter {
  return new NamedLimiter({ algorithm, limit: 60, windowUs: micros(MINUTE_US), burst });
}

function resetAfterS(limiter: NamedLimiter, atUs = START_US): number {
  return limiter.decide("k", 0, atUs).resetAfterUs / US_PER_S;
}

describe.each(BUCKETS)("usage reported of a %s", (algorithm) => {
  it("is charged in full up to twice what the key holds, and not beyond", () => {
    const limiter = limiterOf(algorithm, 100);
    limiter.report("k", 199, START_US);
    expect(resetAfterS(limiter)).toBe(199);
    limiter.report("k", UNITS_MAX, START_US);
    expect(resetAfterS(limiter)).toBe(200);
    limiter.report("k", 1, START_US);
    expect(resetAfterS(limiter)).toBe(200);
  });

  it("goes on being charged as that wears off, in whole units", () => {
    const limiter = limiterOf(algorithm);
    limiter.report("k", UNITS_MAX, START_US);
    const laterUs = START_US + 2.5 * US_PER_S;
    limiter.report("k", UNITS_MAX, laterUs);
    expect(resetAfterS(limiter, laterUs)).toBe(119.5);
  });

  it("leaves alone what is owed beyond, under a higher limit or for what checks were admitted for", () => {
    const limiter = limiterOf(algorithm, 300);
    limiter.charge("k", 250, START_US);
    limiter.retune({ algorithm, limit: 60, windowUs: micros(MINUTE_US), burst: 60 }, START_US);
    limiter.report("k", 10, START_US);
    expect(resetAfterS(limiter)).toBe(250);
    limiter.charge("k", 100, START_US);
    expect(resetAfterS(limiter)).toBe(350);
  });

  it("is nothing where nothing is allowed", () => {
    const limiter = new NamedLimiter({ algorithm, limit: 0, windowUs: micros(MINUTE_US) });
    limiter.report("k", UNITS_MAX, START_US);
    expect(resetAfterS(limiter)).toBe(0);
  });
});

it("is bounded in the bucket that a key shares, too", () => {
  const quota = new KeyQuota(0x1234abcd, 16);
  const params = { algorithm: "gcra", limit: 60, windowUs: micros(MINUTE_US) } as const;
  const limiter = new KeyedLimiter(createAlgorithm(params), { census: new KeyCensus() });
  const verdict = new Verdict();
  const low = (n: number): number => (n % 2 === 0 ? quota.tenant >>> 16 : quota.tenant & 0xffff);
  const look = (n: number): void => {
    limiter.quota = quota;
    limiter.evaluate(n << 6, low(n), 0, micros(START_US), verdict);
  };
  for (let n = 1; n <= 32; n += 1) limiter.decide(n << 6, low(n), 1, micros(START_US), verdict);
  for (const n of [101, 102, 103]) {
    look(n);
    limiter.commit(reportedUnits(limiter, UNITS_MAX, micros(START_US), verdict));
  }
  expect(limiter.overflowed).toBeGreaterThan(0);
  look(104);
  expect(verdict.resetAfterUs).toBe(2 * MINUTE_US);
});
