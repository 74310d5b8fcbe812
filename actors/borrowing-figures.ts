/**
 * How well checks over several dimensions go, in the figures that people compare: computed from counts, so that
 * they can be had for a whole life or for the time between two looks.
 */
import type { MemberObservation } from "./observation.ts";

/** Since the start. */
export interface BorrowingCounts {
  /** Checks decided. */
  readonly checks: number;
  /** Of them: not at once, because rights were missing. */
  readonly late: number;
  /** Times a key's home was asked for units. */
  readonly borrows: number;
  readonly denied: number;
  /** Of them: those that may be wrong (admission/denial-doubt.ts). */
  readonly doubtful: number;
}

/** null where there is nothing to divide by. */
export interface BorrowingFigures {
  /** 0 … 1 */
  readonly atOnceShare: number | null;
  readonly borrowsPer1000: number | null;
  /** 0 … 1: no more of all denials than this were wrong. */
  readonly doubtfulShare: number | null;
}

/** @param seen a process, or a region summed up */
export function countsOf({
  decisions,
  tallies = {},
}: Pick<MemberObservation, "decisions" | "tallies">): BorrowingCounts {
  const { checks = {}, denials = {}, borrowed = {} } = tallies;
  const decided = (isMeant: (outcome: string) => boolean): number =>
    decisions.reduce((sum, { outcome, count }) => sum + (isMeant(outcome) ? count : 0), 0);
  return {
    checks: decided(() => true),
    late: checks.late ?? 0,
    borrows: (borrowed.asked ?? 0) - (borrowed.reports ?? 0),
    denied: decided((outcome) => outcome === "denied"),
    doubtful: (denials.lent ?? 0) + (denials.elsewhere ?? 0) + (denials.unheard ?? 0),
  };
}

/** What was counted since an earlier look. A process that has started again meanwhile counts from nothing. */
export function countsBetween(before: BorrowingCounts, after: BorrowingCounts): BorrowingCounts {
  if (after.checks < before.checks) return after;
  return {
    checks: after.checks - before.checks,
    late: after.late - before.late,
    borrows: after.borrows - before.borrows,
    denied: after.denied - before.denied,
    doubtful: after.doubtful - before.doubtful,
  };
}

export function figuresOf({ checks, late, borrows, denied, doubtful }: BorrowingCounts): BorrowingFigures {
  return {
    atOnceShare: checks === 0 ? null : 1 - late / checks,
    borrowsPer1000: checks === 0 ? null : (1_000 * borrows) / checks,
    doubtfulShare: denied === 0 ? null : doubtful / denied,
  };
}
