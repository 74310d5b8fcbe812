import { expect, it } from "vitest";
import { micros } from "../../core/units.ts";
import { START_US } from "./histories.ts";
import { NamedLimiter } from "./named-limiter.ts";
import { expectThrottledVectors } from "./throttled-vectors.ts";

it("answers the table of throttled and redis-cell", () => {
  expectThrottledVectors("leaky-bucket");
});

it("leaks at exact thirds of 10 ms: each drop lets one in at the microsecond after it, not before", () => {
  const limiter = new NamedLimiter({ algorithm: "leaky-bucket", limit: 3, windowUs: micros(10_000) });
  limiter.decide("k", 3, START_US);
  const outcomes = [3_333, 3_334, 6_666, 6_667, 9_999, 10_000].map(
    (us) => limiter.decide("k", 1, START_US + us).outcome,
  );
  expect(outcomes).toEqual(["denied", "allowed", "denied", "allowed", "denied", "allowed"]);
});
