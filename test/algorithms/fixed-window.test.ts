import { expect, it } from "vitest";
import { micros, US_PER_S } from "../../core/units.ts";
import { START_US } from "./histories.ts";
import { NamedLimiter } from "./named-limiter.ts";

const WINDOW_US = 10 * US_PER_S;

it("admits exactly twice the limit within two microseconds at a seam, the worst it can", () => {
  const limiter = new NamedLimiter({ algorithm: "fixed-window", limit: 5, windowUs: micros(WINDOW_US) });
  const seamUs = START_US + WINDOW_US;
  let admitted = 0;
  for (let atUs = seamUs - 10; atUs < seamUs + 10; atUs += 1) {
    if (limiter.decide("k", 1, atUs).outcome === "allowed") admitted += 1;
  }
  expect(admitted).toBe(10);
});

it("forgives what was owed when the window ends", () => {
  const limiter = new NamedLimiter({ algorithm: "fixed-window", limit: 5, windowUs: micros(WINDOW_US) });
  limiter.charge("k", 500, START_US);
  expect(limiter.decide("k", 1, START_US + WINDOW_US - 1)).toMatchObject({
    outcome: "denied",
    retryAfterUs: 1,
  });
  expect(limiter.decide("k", 5, START_US + WINDOW_US).outcome).toBe("allowed");
});
