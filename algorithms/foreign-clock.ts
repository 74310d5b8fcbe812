/**
 * State that comes from a process whose clock disagrees with ours.
 *
 *      their clock   ───●─────────────────────────▶   written at 13:00:00, TAT 20 s later
 *      our clock     ───────●─────────────────────▶   read at    12:00:00, TAT 20 s later
 *
 * Nobody knows whose clock is right, and it does not matter: what a key has used it has used, and what it waits for
 * is as far away as it was. So all moments of the state are moved by the difference, to the next later place that the
 * windows of its algorithm are aligned with (`Algorithm.alignUs`). Then no unit is free earlier than its writer would
 * have let it, and none later than by one window. Our own clock stays ours: state in a window that has not begun yet
 * counts already (window-id.ts), and no page makes what others tell older than it is.
 *
 * Clocks that agree to two seconds are left alone: moments then mean the same in both processes, exactly. So are windows
 * longer than the difference: their limit is per day, or per hour, of whatever clock decides.
 */
import type { Micros } from "../core/units.ts";

/** What clocks that are kept by NTP never differ by, and a page never takes to travel. */
export const CLOCKS_APART_MAX_US = 2_000_000;

/**
 * By how much the clock that said `writtenUs` is ahead of ours, or behind when negative; 0 where it is as good as right.
 *
 * @param isJustWritten in a transfer; what a journal says may be old, but not from the future
 */
export function clockAheadUs(writtenUs: Micros, nowUs: Micros, isJustWritten: boolean): number {
  const aheadUs = writtenUs - nowUs;
  const isBehind = isJustWritten && aheadUs < -CLOCKS_APART_MAX_US;
  return aheadUs > CLOCKS_APART_MAX_US || isBehind ? aheadUs : 0;
}

/**
 * By how much moments of state written at `writtenUs` are to be moved, at `nowUs` of our clock.
 *
 * @param isJustWritten as above
 */
export function clockShiftUs(
  writtenUs: Micros,
  nowUs: Micros,
  alignUs: number,
  isJustWritten: boolean,
): number {
  const aheadUs = clockAheadUs(writtenUs, nowUs, isJustWritten);
  return Math.abs(aheadUs) < alignUs ? 0 : Math.ceil(-aheadUs / alignUs) * alignUs;
}

/** A moment that another process has told: now, if its clock was ahead. */
export function toldMoment(toldUs: Micros, nowUs: Micros): Micros {
  return clockAheadUs(toldUs, nowUs, false) > 0 ? nowUs : toldUs;
}
