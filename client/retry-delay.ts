/**
 * How long to wait before a region that could not be connected is tried again: longer each time, and drawn, so
 * that those who lost it together do not come back together.
 *
 *      failures in a row     1         2       3       4       5 …
 *      wait              0.25–0.5   0.5–1     1–2     2–4    2.5–5 s
 */
const FIRST_MS = 500;
const LONGEST_MS = 5_000;

/** @param draw from 0 to 1 */
export function retryDelayMs(failuresInARow: number, draw: number): number {
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** (failuresInARow - 1));
  return (longest * (1 + draw)) / 2;
}
