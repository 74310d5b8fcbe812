import { expect, it } from "vitest";
import { UNITS_MAX } from "../../algorithms/registry.ts";
import type { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { NamedLimiter } from "./named-limiter.ts";

const WINDOW_US = 60 * US_PER_S;
/** The start of a minute. */
const MINUTE_US = 1_700_000_040 * US_PER_S;

function slidingWindow(limit: number): NamedLimiter {
  return new NamedLimiter({ algorithm: "sliding-window", limit, windowUs: micros(WINDOW_US) });
}

/** Asks for `cost` when so much of the window has passed, `previous` fell in the one before and `current` in it. */
function ask(limit: number, current: number, previous: number, elapsed: number, cost: number): Verdict {
  const limiter = slidingWindow(limit);
  limiter.charge("k", previous, MINUTE_US - 1);
  limiter.charge("k", current, MINUTE_US);
  return limiter.decide("k", cost, MINUTE_US + elapsed * WINDOW_US);
}

it("answers Unkey's table, where the share of the previous window counts in full precision", () => {
  const answers = [
    [0, 0, 0, 1],
    [9, 0, 0, 1],
    [10, 0, 0, 0],
    [10, 0, 0, 1],
    [5, 10, 0.5, 1],
    [5, 10, 0.99, 1],
    [0, 0, 0, 100],
  ].map(([current = 0, previous = 0, elapsed = 0, cost = 0]) => {
    const { outcome, remaining } = ask(10, current, previous, elapsed, cost);
    return `${outcome} ${remaining}`;
  });
  expect(answers).toEqual([
    "allowed 9",
    "allowed 0",
    "allowed 0",
    "denied 0",
    "denied 0",
    // Unkey rounds 10 % of a unit down to none and answers 4: 5 + 0.1 + 1 leaves 3.9, which is 3 to be had.
    "allowed 3",
    "unsatisfiable 10",
  ]);
});

it("estimates as Cloudflare does: 42 before and 18 now are 49.5 after a quarter of a minute", () => {
  expect(ask(49, 18, 42, 0.25, 1).outcome).toBe("denied");
  expect(ask(50, 18, 42, 0.25, 1).outcome).toBe("denied");
  expect(ask(51, 18, 42, 0.25, 1)).toMatchObject({ outcome: "allowed", remaining: 0 });
});

it("admits nearly twice the limit within one window, its worst case", () => {
  const limiter = slidingWindow(10);
  const firstUs = MINUTE_US - 1;
  let admitted = 0;
  for (const atUs of [firstUs, firstUs + WINDOW_US - 1]) {
    while (limiter.decide("k", 1, atUs).outcome === "allowed") admitted += 1;
  }
  // The first ten still weigh two millionths of 1/6 of a unit, enough to refuse the last.
  expect(admitted).toBe(19);
  // Where others round that down (Unkey, Upstash: ten at 59.9 s, ten at 117.1 s) it is 20.
  expect(ask(10, 0, 10, 57.1 / 60, 9).outcome).toBe("allowed");
  expect(ask(10, 0, 10, 57.1 / 60, 10).outcome).toBe("denied");
});

it("denies too much after a front-loaded window, because it takes its load for even", () => {
  const limiter = slidingWindow(10);
  limiter.charge("k", 10, MINUTE_US);
  // A log would have forgotten all ten by now.
  expect(limiter.decide("k", 1, MINUTE_US + WINDOW_US)).toMatchObject({
    outcome: "denied",
    retryAfterUs: WINDOW_US / 10,
  });
});

it("never estimates too low where counts times microseconds would not be exact", () => {
  const windowUs = 366 * 86_400 * US_PER_S;
  const startUs = Math.ceil(MINUTE_US / windowUs) * windowUs;
  for (const beforeEndUs of [1, 1_000, 10 ** 9, 10 ** 13]) {
    const limiter = new NamedLimiter({
      algorithm: "sliding-window",
      limit: UNITS_MAX,
      windowUs: micros(windowUs),
    });
    limiter.charge("k", UNITS_MAX, startUs - 1);
    const { remaining } = limiter.decide("k", 0, startUs + windowUs - beforeEndUs);
    const exact = UNITS_MAX - Number((BigInt(UNITS_MAX) * BigInt(beforeEndUs)) / BigInt(windowUs));
    expect(remaining).toBeLessThanOrEqual(exact);
    expect(remaining).toBeGreaterThan(exact - UNITS_MAX / 1e5);
  }
});
