import { expect, it } from "vitest";
import { countsBetween, countsOf, figuresOf } from "../../actors/borrowing-figures.ts";

const COUNTS = { checks: 1_000, late: 10, borrows: 20, denied: 100, doubtful: 5 };

it("have no share of nothing", () => {
  const none = { checks: 0, late: 0, borrows: 0, denied: 0, doubtful: 0 };
  expect(figuresOf(none)).toEqual({ atOnceShare: null, borrowsPer1000: null, doubtfulShare: null });
  expect(countsOf({ decisions: [] })).toEqual(none);
});

it("count what was decided at once, borrowed and denied in doubt", () => {
  expect(figuresOf(COUNTS)).toEqual({ atOnceShare: 0.99, borrowsPer1000: 20, doubtfulShare: 0.05 });
});

it("count asking for units as borrowing, and reporting not", () => {
  const line = { policy: null, algorithm: null } as const;
  const counted = countsOf({
    decisions: [
      { ...line, outcome: "allowed", count: 5 },
      { ...line, outcome: "denied", count: 3 },
      { ...line, outcome: "unsatisfiable", count: 1 },
    ],
    tallies: {
      checks: { late: 2 },
      borrowed: { asked: 9, reports: 7, resent: 50 },
      denials: { firm: 40, lent: 1, elsewhere: 2, unheard: 4 },
    },
  });
  expect(counted).toEqual({ checks: 9, late: 2, borrows: 2, denied: 3, doubtful: 7 });
});

it("are those of the time between two looks, or since a restart in between", () => {
  const later = { checks: 1_500, late: 11, borrows: 20, denied: 200, doubtful: 5 };
  expect(countsBetween(COUNTS, later)).toEqual({
    checks: 500,
    late: 1,
    borrows: 0,
    denied: 100,
    doubtful: 0,
  });
  expect(countsBetween(later, COUNTS)).toEqual(COUNTS);
});
