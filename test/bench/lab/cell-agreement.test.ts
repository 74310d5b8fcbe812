import { describe, expect, it } from "vitest";
import { agreementOf } from "../../../bench/lab/cell-agreement.ts";
import { Verdict, type Outcome } from "../../../core/decision.ts";
import { micros } from "../../../core/units.ts";

/** A unit every 10 ms, five at once. */
const PARAMS = { limit: 100, windowUs: micros(1_000_000), burst: 5 };
const MOMENT_US = 1_000;

function ours(outcome: Outcome, remaining: number, resetAfterUs: number, retryAfterUs = 0): Verdict {
  return Object.assign(new Verdict(), { outcome, remaining, resetAfterUs, retryAfterUs });
}

function agreement(verdict: Verdict, isAllowed: boolean, remaining: number) {
  return agreementOf(PARAMS, verdict, { isAllowed, remaining }, MOMENT_US);
}

describe("two answers", () => {
  it("are the same when outcome and remaining are", () => {
    expect(agreement(ours("allowed", 4, 10_000), true, 4)).toBe("same");
    expect(agreement(ours("denied", 0, 45_000, 5_000), false, 0)).toBe("same");
    expect(agreement(ours("unsatisfiable", 5, 0, Infinity), false, 5)).toBe("same");
  });

  it("differ by a moment when the next unit is that near, and not when it is farther or one too many", () => {
    expect(agreement(ours("allowed", 2, 20_900), true, 3)).toBe("a moment");
    expect(agreement(ours("allowed", 2, 21_100), true, 3)).toBe("unlike");
    expect(agreement(ours("allowed", 2, 20_900), true, 4)).toBe("unlike");
    expect(agreement(ours("allowed", 3, 19_500), true, 2)).toBe("a moment");
    expect(agreement(ours("allowed", 3, 18_500), true, 2)).toBe("unlike");
  });

  it("differ by a moment in the outcome when one of them was just in time", () => {
    expect(agreement(ours("denied", 0, 49_500, 900), true, 0)).toBe("a moment");
    expect(agreement(ours("denied", 0, 49_500, 1_100), true, 0)).toBe("unlike");
    expect(agreement(ours("allowed", 0, 49_200), false, 0)).toBe("a moment");
    expect(agreement(ours("allowed", 0, 48_000), false, 0)).toBe("unlike");
    expect(agreement(ours("unsatisfiable", 5, 0, Infinity), true, 5)).toBe("unlike");
  });
});
