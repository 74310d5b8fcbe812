import { expect, it } from "vitest";
import { microsFromMillis, millisCeil, secondsCeil } from "../../core/units.ts";

it("rounds waits up, so that nobody who waits as told comes early", () => {
  expect([0, 1, 999, 1_000, 1_001].map(millisCeil)).toEqual([0, 1, 1, 1, 2]);
  expect([0, 1, 1_000_000, 1_000_001].map(secondsCeil)).toEqual([0, 1, 1, 2]);
});

it("keeps 'never' never", () => {
  expect([millisCeil(Infinity), secondsCeil(Infinity)]).toEqual([Infinity, Infinity]);
});

it("makes whole microseconds of milliseconds, also of those that binary fractions miss", () => {
  expect([0, 1, 0.5, 0.001, 1.1, 4.35, 1_700_000_000_000.123].map(microsFromMillis)).toEqual([
    0, 1_000, 500, 1, 1_100, 4_350, 1_700_000_000_000_123,
  ]);
});
