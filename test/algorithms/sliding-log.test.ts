import { expect, it } from "vitest";
import { micros, US_PER_S } from "../../core/units.ts";
import { START_US } from "./histories.ts";
import { NamedLimiter } from "./named-limiter.ts";

function slidingLog(limit: number): NamedLimiter {
  return new NamedLimiter({ algorithm: "sliding-log", limit, windowUs: micros(60 * US_PER_S) });
}

it("gives each unit back exactly one window after it was taken, seam or not", () => {
  const limiter = slidingLog(4);
  for (const [atS, cost] of [
    [50, 1],
    [55, 2],
    [59, 1],
  ] as const)
    limiter.decide("k", cost, START_US + atS * US_PER_S);
  // Only the first unit must leave for a cost of 1, the first three for 2 and 3, all of them for 4.
  const waitsS = [1, 2, 3, 4].map(
    (cost) => limiter.decide("k", cost, START_US + 60 * US_PER_S).retryAfterUs / US_PER_S,
  );
  expect(waitsS).toEqual([50, 55, 55, 59]);
});

it("keeps one event for all units of a microsecond, and no event once it has left", () => {
  const limiter = slidingLog(1_000_000);
  limiter.decide("k", 1, START_US);
  const bytes = limiter.table.bytes();
  for (let i = 0; i < 10_000; i += 1) limiter.decide("k", 1, START_US);
  for (let i = 1; i <= 10_000; i += 1) limiter.decide("k", 1, START_US + i * 31 * US_PER_S);
  expect(limiter.table.bytes()).toBe(bytes);
});

it("takes 12 bytes an event, up to four times that where many keys outgrow their rings together", () => {
  const keys = 2_000;
  // One more than fits into a ring of 64: half of the ring of 128 is empty, and the rings before it lie idle.
  const events = 65;
  const limiter = slidingLog(1_000);
  for (let event = 0; event < events; event += 1) {
    for (let key = 0; key < keys; key += 1) limiter.decide(`key ${key}`, 1, START_US + event);
  }
  const bytes = limiter.table.algorithm.outsideBytes();
  const bytesPerEvent = bytes / (keys * events);
  expect(bytesPerEvent).toBeGreaterThan(2 * 12);
  expect(bytesPerEvent).toBeLessThan(4.5 * 12);
  // The next ones use what lies idle.
  for (let key = 0; key < keys; key += 1) limiter.decide(`late ${key}`, 1, START_US + events);
  expect(limiter.table.algorithm.outsideBytes()).toBe(bytes);
});
