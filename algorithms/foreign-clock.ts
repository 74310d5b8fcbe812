/**
 * State that comes from a process whose clock disagrees with ours.
 *
 *      their clock   ───●─────────────────────────▶   written at 13:00:00, TAT 20 s later
 *      our clock     ───────●─────────────────────▶   read at    12:00:00, TAT 20 s later
 *
 * Nobody knows whose clock is right, and it does not matter: what a key has used it has used, and what it waits for
 * is as far away as it was. So all moments of the state are moved by the difference. Windows that all keys share
 * (`Algorithm.alignUs`) begin when the clock of whoever decides says so: what was used in the window of its writer has
 * been used in the window that is now.
 *
 * Clocks that agree to two seconds are left alone: moments then mean the same in both processes, exactly. So are windows
 * longer than the difference. Our own clock stays ours: however late a page says it is, what others tell ages no faster.
 */
import { micros, type Micros } from "../core/units.ts";

/** What clocks that are kept by NTP never differ by, and a page never takes to travel. */
export const CLOCKS_APART_MAX_US = 2_000_000;

/**
 * By how much moments of state written at `writtenUs` are to be moved, at `nowUs` of our clock.
 *
 * @param isJustWritten in a transfer; what a journal says may be old, but not from the future
 */
export function clockShiftUs(
  writtenUs: Micros,
  nowUs: Micros,
  alignUs: number,
  isJustWritten: boolean,
): number {
  const laterUs = nowUs - writtenUs;
  if (Math.abs(laterUs) < alignUs) return 0;
  const isTheirsAhead = laterUs < -CLOCKS_APART_MAX_US;
  const isOursAhead = isJustWritten && laterUs > CLOCKS_APART_MAX_US;
  if (!isTheirsAhead && !isOursAhead) return 0;
  return (Math.floor(nowUs / alignUs) - Math.floor(writtenUs / alignUs)) * alignUs;
}

/** A moment that another process has told: now, if its clock was ahead. */
export function toldMoment(toldUs: Micros, nowUs: Micros): Micros {
  return toldUs > micros(nowUs + CLOCKS_APART_MAX_US) ? nowUs : toldUs;
}
