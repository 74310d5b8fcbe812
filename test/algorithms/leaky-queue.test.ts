import { expect, it } from "vitest";
import { micros, US_PER_S } from "../../core/units.ts";
import { START_US } from "./histories.ts";
import { NamedLimiter } from "./named-limiter.ts";

it("lets requests leave one interval apart, whenever they arrived, and denies what does not fit in", () => {
  const limiter = new NamedLimiter({
    algorithm: "leaky-queue",
    limit: 7,
    windowUs: micros(US_PER_S),
    burst: 3,
  });
  const departuresUs: (number | string)[] = [];
  for (const atUs of [0, 0, 0, 0, 142_857, 142_858, 500_000, 900_000]) {
    const { outcome, delayUs } = limiter.decide("k", 1, START_US + atUs);
    departuresUs.push(outcome === "allowed" ? atUs + delayUs : outcome);
  }
  // The sixth finds one seventh of a second passed: there is room for one more, behind two still waiting.
  expect(departuresUs).toEqual([0, 142_858, 285_715, "denied", "denied", 428_572, 571_429, 900_000]);
});

it("makes a large request wait for those ahead of it, and the next one for all of its cost", () => {
  const limiter = new NamedLimiter({ algorithm: "leaky-queue", limit: 10, windowUs: micros(US_PER_S) });
  const delays = [4, 5, 1].map((cost) => limiter.decide("k", cost, START_US).delayUs);
  expect(delays).toEqual([0, 400_000, 900_000]);
});
