import { expect, it } from "vitest";
import { retryDelayMs } from "../../client/retry-delay.ts";

it("doubles what it waits at most, up to five seconds", () => {
  const longest = [1, 2, 3, 4, 5, 6, 1_000_000].map((failures) => retryDelayMs(failures, 1));
  expect(longest).toEqual([500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
});

it("waits at least half of that, as is drawn", () => {
  expect([0, 0.5, 1].map((draw) => retryDelayMs(3, draw))).toEqual([1_000, 1_500, 2_000]);
});
