/**
 * Windows aligned to the epoch: window number k covers [k·W, (k + 1)·W). A state keeps the low 16 bits of
 * the number of the window it was last charged in, beside the hash:
 *
 *      word at + 1   │ hash low 16 │ window id 16 │
 *
 * How many windows have passed since is unambiguous for 32,767 windows; the sweep drops the key before.
 */
import type { Micros } from "../core/units.ts";

/** Half the modulus: ids this far apart read as the future. */
const AHEAD_FROM_WINDOWS = 2 ** 15;
/** A key that a sweep leaves in place was charged at most so many (sub-)windows before. */
const WINDOWS_ALIVE_MAX = 64;
/** A slot must be swept again before; so long after, its age touches one window more and is still read right. */
export const STALE_AFTER_WINDOWS = AHEAD_FROM_WINDOWS - 1 - WINDOWS_ALIVE_MAX;

/** Exact: the quotient of integers below 2^53 never rounds up to the next integer here, as now < 2^52. */
export function windowIdAt(nowUs: Micros, windowUs: number): number {
  return Math.floor(nowUs / windowUs);
}

/**
 * The window that decides at `nowUs`: the stored one where that has not begun yet, because it comes from a clock that was
 * ahead (foreign-clock.ts). Its counts are in force already, and until its own end.
 */
export function windowInForce(words: Uint32Array, at: number, nowUs: Micros, windowUs: number): number {
  const id = windowIdAt(nowUs, windowUs);
  const ahead = (((words[at + 1] as number) - id) << 16) >> 16;
  return ahead > 0 ? id + ahead : id;
}

/** Windows between the stored id and `id`; 0 also for a stored id from the future. */
export function windowsSince(words: Uint32Array, at: number, id: number): number {
  const distance = (id - ((words[at + 1] as number) & 0xffff)) & 0xffff;
  return distance < AHEAD_FROM_WINDOWS ? distance : 0;
}

export function storeWindowId(words: Uint32Array, at: number, id: number): void {
  words[at + 1] = ((words[at + 1] as number) & 0xffff0000) | (id & 0xffff);
}

/** Makes the state one of so many windows later, or earlier. */
export function shiftWindowId(words: Uint32Array, at: number, windows: number): void {
  const id = ((words[at + 1] as number) & 0xffff) + (windows % 2 ** 16);
  storeWindowId(words, at, id);
}

/** Counts are 32-bit words; debt beyond that is forgiven. */
export function saturated(count: number): number {
  return count > 0xffffffff ? 0xffffffff : count;
}
