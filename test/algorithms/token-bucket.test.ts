import { expect, it } from "vitest";
import { micros, US_PER_S } from "../../core/units.ts";
import { START_US } from "./histories.ts";
import { NamedLimiter } from "./named-limiter.ts";
import { expectThrottledVectors } from "./throttled-vectors.ts";

it("answers the table of throttled and redis-cell", () => {
  expectThrottledVectors("token-bucket");
});

it("loses no fraction of a token, however often it is looked at", () => {
  const limiter = new NamedLimiter({
    algorithm: "token-bucket",
    limit: 7,
    windowUs: micros(US_PER_S),
    burst: 3,
  });
  const admittedMs: number[] = [];
  for (let ms = 0; ms <= 1_000; ms += 1) {
    limiter.decide("k", 0, START_US + ms * 1_000);
    if (limiter.decide("k", 1, START_US + ms * 1_000).outcome === "allowed") admittedMs.push(ms);
  }
  // Sevenths of a second, rounded up to the next look.
  expect(admittedMs).toEqual([0, 1, 2, 143, 286, 429, 572, 715, 858, 1_000]);
});

it("holds no more than its burst, however long it rests", () => {
  const limiter = new NamedLimiter({
    algorithm: "token-bucket",
    limit: 7,
    windowUs: micros(US_PER_S),
    burst: 3,
  });
  limiter.decide("k", 1, START_US);
  expect(limiter.decide("k", 0, START_US + 3_600 * US_PER_S).remaining).toBe(3);
});
