import { expect, it } from "vitest";
import { ManualClock } from "../../core/clock.ts";

it("moves only when told, both clocks together", () => {
  const clock = new ManualClock(1_000);
  expect([clock.monotonicUs(), clock.wallUs()]).toEqual([0, 1_000]);
  clock.advanceUs(5);
  expect([clock.monotonicUs(), clock.wallUs()]).toEqual([5, 1_005]);
});

it("steps the wall clock alone, either way", () => {
  const clock = new ManualClock(1_000);
  clock.stepWallUs(-300);
  clock.advanceUs(1);
  expect([clock.monotonicUs(), clock.wallUs()]).toEqual([1, 701]);
});

it("refuses to advance backwards or by no number", () => {
  const clock = new ManualClock();
  for (const us of [-1, Number.NaN]) expect(() => clock.advanceUs(us)).toThrow(RangeError);
});
