import { expect, it } from "vitest";
import { micros, US_PER_S } from "../../core/units.ts";
import { START_US } from "./histories.ts";
import { NamedLimiter } from "./named-limiter.ts";
import { expectThrottledVectors } from "./throttled-vectors.ts";

function gcra(limit: number, windowUs: number, burst = limit): NamedLimiter {
  return new NamedLimiter({ algorithm: "gcra", limit, windowUs: micros(windowUs), burst });
}

it("answers the table of throttled and redis-cell", () => {
  expectThrottledVectors("gcra");
});

it("spaces units as rates are commonly written", () => {
  const hourUs = 3_600 * US_PER_S;
  for (const [limit, windowUs, intervalUs] of [
    [24, 24 * hourUs, hourUs],
    [6, hourUs, 600 * US_PER_S],
    [6, 60 * US_PER_S, 10 * US_PER_S],
    [6, 120 * US_PER_S, 20 * US_PER_S],
    [5, US_PER_S, 200_000],
  ] as const) {
    const limiter = gcra(limit, windowUs);
    limiter.decide("k", limit, START_US);
    expect(limiter.decide("k", 1, START_US).retryAfterUs).toBe(intervalUs);
  }
});

it("answers as CL.THROTTLE does: 16 at once and 30 per minute, or one every two seconds", () => {
  const limiter = gcra(30, 60 * US_PER_S, 16);
  expect(limiter.decide("user123", 1, START_US)).toMatchObject({ remaining: 15, resetAfterUs: 2 * US_PER_S });

  const single = gcra(1, 2 * US_PER_S, 1);
  const first = { outcome: "allowed", remaining: 0, retryAfterUs: 0, resetAfterUs: 2 * US_PER_S };
  expect(single.decide("k", 1, START_US)).toMatchObject(first);
  expect(single.decide("k", 1, START_US)).toMatchObject({
    ...first,
    outcome: "denied",
    retryAfterUs: 2 * US_PER_S,
  });
  expect(single.decide("k", 1, START_US + 2 * US_PER_S)).toMatchObject(first);
});

it("loses no fraction of an interval: 7 per second, taken one by one as soon as told", () => {
  const limiter = gcra(7, US_PER_S, 1);
  const admittedUs: number[] = [];
  for (let nowUs = START_US; admittedUs.length <= 14;) {
    const { outcome, retryAfterUs } = limiter.decide("k", 1, nowUs);
    if (outcome === "allowed") admittedUs.push(nowUs - START_US);
    else nowUs += retryAfterUs;
  }
  // Each turn comes at the next whole microsecond; being late by a fraction does not add up, for TAT waits.
  expect(admittedUs.slice(0, 4)).toEqual([0, 142_858, 285_716, 428_574]);
});

it("admits exactly its envelope B + τ·L/W to whoever never stops asking", () => {
  const limiter = gcra(7, US_PER_S, 5);
  let admitted = 0;
  for (let ms = 0; ms <= 3_000; ms += 1) {
    if (limiter.decide("k", 1, START_US + ms * 1_000).outcome === "allowed") admitted += 1;
  }
  expect(admitted).toBe(5 + 21);
});

it("forgives debt beyond 407 days, and nothing below", () => {
  const limiter = gcra(1, US_PER_S);
  const horizonUs = 2 ** 45;
  limiter.charge("k", 400 * 86_400, START_US);
  expect(limiter.decide("k", 0, START_US).resetAfterUs).toBe(400 * 86_400 * US_PER_S);
  limiter.charge("k", 2 ** 31 - 1, START_US);
  expect(limiter.decide("k", 0, START_US).resetAfterUs).toBe(horizonUs);
});
