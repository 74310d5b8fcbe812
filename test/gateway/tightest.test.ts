import { expect, it } from "vitest";
import { Verdict } from "../../core/decision.ts";
import { tightestOf } from "../../gateway/tightest.ts";

function verdict(change: Partial<Verdict>): Verdict {
  return Object.assign(new Verdict(), change);
}

it("of those that allow, the one that has least left; of equals the first, which is the finest", () => {
  const allowing = [verdict({ remaining: 5 }), verdict({ remaining: 2 }), verdict({ remaining: 2 })];
  expect(tightestOf(allowing)).toBe(1);
  expect(tightestOf([verdict({ remaining: 2 }), verdict({ remaining: 2 })])).toBe(0);
});

it("one that refuses before any that allows, the longest wait before a shorter one, never before all", () => {
  const denied = (retryAfterUs: number) => verdict({ outcome: "denied", remaining: 3, retryAfterUs });
  const never = verdict({ outcome: "unsatisfiable", remaining: 9, retryAfterUs: Infinity });
  expect(tightestOf([verdict({ remaining: 0 }), denied(1)])).toBe(1);
  expect(tightestOf([denied(1), verdict({ remaining: 0 })])).toBe(0);
  expect(tightestOf([denied(5), denied(7), denied(6)])).toBe(1);
  expect(tightestOf([denied(5), never, denied(6)])).toBe(1);
});

it("answers a refusal with the least that is left under any, and no delay", () => {
  const refused = verdict({ outcome: "denied", remaining: 3, retryAfterUs: 1 });
  tightestOf([verdict({ remaining: 1, delayUs: 4 }), refused]);
  expect(refused).toMatchObject({ remaining: 1, delayUs: 0 });
});

it("answers a permission with the longest delay of any", () => {
  const tight = verdict({ remaining: 1, delayUs: 2 });
  tightestOf([tight, verdict({ remaining: 6, delayUs: 9 })]);
  expect(tight).toMatchObject({ remaining: 1, delayUs: 9 });
});

it("passes over those that say nothing, and is none of none", () => {
  expect(tightestOf([undefined, verdict({ remaining: 4 })])).toBe(1);
  expect(tightestOf([undefined])).toBe(-1);
  expect(tightestOf([])).toBe(-1);
});
