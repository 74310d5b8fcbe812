import { describe, expect, it } from "vitest";
import { Zipf } from "../../bench/zipf.ts";
import { Prng } from "../../core/prng.ts";

/** Σ (observed − expected)² / expected, against k^−s / Σ i^−s. */
function chiSquare(ranks: number, exponent: number, draws: number): number {
  const zipf = new Zipf(ranks, exponent);
  const prng = new Prng(20_240_101);
  const observed = new Float64Array(ranks);
  for (let draw = 0; draw < draws; draw += 1) observed[zipf.draw(prng)]! += 1;
  const weights = Array.from(observed, (_, index) => (index + 1) ** -exponent);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.reduce((sum, weight, index) => {
    const expected = (draws * weight) / total;
    return sum + (observed[index]! - expected) ** 2 / expected;
  }, 0);
}

describe("Zipf draws", () => {
  // 19 degrees of freedom: 99.99 % of true samples stay below 50.8.
  it.each([0, 0.5, 0.8, 1, 1.1, 1.4, 2])("follow k^−%d over 20 ranks", (exponent) => {
    expect(chiSquare(20, exponent, 200_000)).toBeLessThan(50.8);
  });

  it("would fail the same test for a slightly wrong exponent", () => {
    const zipf = new Zipf(20, 1.15);
    const prng = new Prng(1);
    let first = 0;
    for (let draw = 0; draw < 200_000; draw += 1) if (zipf.draw(prng) === 0) first += 1;
    const expected =
      200_000 / Array.from({ length: 20 }, (_, index) => (index + 1) ** -1.1).reduce((a, b) => a + b);
    expect((first - expected) ** 2 / expected).toBeGreaterThan(50.8);
  });

  it("cover ten million ranks: head, tail and nothing outside", () => {
    const ranks = 10_000_000;
    const zipf = new Zipf(ranks, 1.1);
    const prng = new Prng(3);
    const draws = 200_000;
    let head = 0;
    let tail = 0;
    let highest = 0;
    for (let draw = 0; draw < draws; draw += 1) {
      const rank = zipf.draw(prng);
      highest = Math.max(highest, rank);
      if (rank < 10) head += 1;
      if (rank >= ranks / 2) tail += 1;
    }
    expect(highest).toBeLessThan(ranks);
    // Σ k^−1.1 over 1 … 10⁷ is 8.58919, over the first ten 2.68016, over the last half 0.14321.
    const sigmas = (count: number, share: number): number =>
      Math.abs(count - draws * share) / Math.sqrt(draws * share * (1 - share));
    expect(sigmas(head, 2.68016 / 8.58919)).toBeLessThan(4);
    expect(sigmas(tail, 0.14321 / 8.58919)).toBeLessThan(4);
  });

  it("know one key only one way", () => {
    const prng = new Prng(3);
    expect([0, 1, 3].map((exponent) => new Zipf(1, exponent).draw(prng))).toEqual([0, 0, 0]);
  });
});
