import { expect, it } from "vitest";
import { Prng } from "../../core/prng.ts";

const MASK = 0xffffffffn;

/** sfc32 as published, on unbounded integers. */
function* sfc32(seed: bigint): Generator<number> {
  let [a, b, c, counter] = [0x9e3779b9n, seed & MASK, (seed >> 32n) & MASK, 1n];
  for (let drawn = 0; ; drawn += 1) {
    const sum = (a + b + counter) & MASK;
    counter = (counter + 1n) & MASK;
    a = b ^ (b >> 9n);
    b = (c + (c << 3n)) & MASK;
    c = (((c << 21n) | (c >> 11n)) + sum) & MASK;
    if (drawn >= 15) yield Number(sum);
  }
}

it("is sfc32, so that a seed gives the same run on every machine", () => {
  for (const seed of [0, 1, 42, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
    const prng = new Prng(seed);
    const twin = sfc32(BigInt(seed));
    const draws = Array.from({ length: 1_000 }, () => prng.u32());
    expect(draws).toEqual(Array.from({ length: 1_000 }, () => twin.next().value as number));
  }
});

it("gives neighbouring seeds streams that have nothing in common", () => {
  const draws = new Set<number>();
  for (let seed = 0; seed < 1_000; seed += 1) draws.add(new Prng(seed).u32());
  // Of 1,000 draws out of 2^32 hardly ever two are equal.
  expect(draws.size).toBeGreaterThanOrEqual(999);
});

it("draws evenly below any bound, also one that does not divide 2^32", () => {
  for (const bound of [2, 3, 7, 100]) {
    const prng = new Prng(bound);
    const counts = Array.from({ length: bound }, () => 0);
    for (let i = 0; i < 1_000 * bound; i += 1) counts[prng.below(bound)]! += 1;
    const chiSquared = counts.reduce((sum, count) => sum + (count - 1_000) ** 2 / 1_000, 0);
    expect(chiSquared, `below ${bound}`).toBeLessThan(bound + 6 * Math.sqrt(2 * bound));
  }
  expect(new Prng(1).below(1)).toBe(0);
});

it("is not biased towards low numbers where the bound is large", () => {
  // Without rejection the lower half of 3·2^30 would come up twice as often as it should.
  const bound = 3 * 2 ** 30;
  const prng = new Prng(5);
  let low = 0;
  for (let i = 0; i < 30_000; i += 1) if (prng.below(bound) < 2 ** 30) low += 1;
  expect(Math.abs(low - 10_000)).toBeLessThan(500);
});

it("draws ratios and fractions from the whole of their range", () => {
  const prng = new Prng(9);
  const fractions = Array.from({ length: 10_000 }, () => prng.fraction());
  expect(fractions.every((fraction) => fraction >= 0 && fraction < 1)).toBe(true);
  expect(Math.abs(fractions.reduce((sum, fraction) => sum + fraction, 0) / 10_000 - 0.5)).toBeLessThan(0.02);
  expect(fractions.some((fraction) => (fraction * 2 ** 53) % 2 === 1)).toBe(true);

  const hits = Array.from({ length: 10_000 }, () => prng.ratio(1, 4)).filter(Boolean).length;
  expect(Math.abs(hits - 2_500)).toBeLessThan(300);
  expect([prng.ratio(0, 5), prng.ratio(5, 5)]).toEqual([false, true]);
});
