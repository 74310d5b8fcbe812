/**
 * The one interface of all algorithms: how a key's few words of state answer "may this cost pass now?".
 *
 * State lives in the key table as 32-bit words. A slot is laid out
 *
 *      at          at + 1                 at + 2 …
 *      [hash high] [hash low | state 16]  [state 32] …
 *
 * so every algorithm owns the low half of word `at + 1` and `stateWords` whole words from `at + 2`.
 * Evaluating and charging are separate steps, because a check over several policies evaluates all of them
 * before it charges any. Nothing here allocates.
 *
 * Time: for one table `nowUs` never decreases; keyed-limiter.ts holds it at its running maximum.
 */
import type { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";

export const ALGORITHMS = [
  "fixed-window",
  "sliding-log",
  "sliding-window",
  "token-bucket",
  "leaky-bucket",
  "leaky-queue",
  "gcra",
  "conservative-window",
] as const;
export type AlgorithmName = (typeof ALGORITHMS)[number];

/** What a policy says about one algorithm. */
export interface AlgorithmParams {
  readonly algorithm: AlgorithmName;
  /** Quota units per window; 0 denies everything. */
  readonly limit: number;
  readonly windowUs: Micros;
  /** Capacity of the bucket and queue algorithms; the limit when absent. Windows have none. */
  readonly burst?: number;
  /** Conservative window only: sub-windows per window, 10 when absent. */
  readonly subWindows?: number;
}

/** What keys remember outside their words, oldest first: how it is read out and rebuilt (state-page.ts). */
export interface EventLog {
  /** Points the log at a key. @returns how many events it still remembers at `nowUs` */
  select(words: Uint32Array, at: number, nowUs: Micros): number;
  timeUs(index: number): number;
  cost(index: number): number;
  /** Adds an event later than the ones before, without regard to what they allow. */
  append(words: Uint32Array, at: number, timeUs: Micros, cost: number): void;
}

export interface Algorithm {
  readonly name: AlgorithmName;
  /** Whole 32-bit words of state per key, besides the 16 bits beside the hash. */
  readonly stateWords: number;
  /** The most a single check may cost; more is unsatisfiable. */
  readonly capacity: number;
  /** A key not looked at for this long must be swept before its modular times come round again. */
  readonly staleAfterUs: number;
  /** Moments of its state may be moved by multiples of this: the period of windows that all keys share, else 1. */
  readonly alignUs: number;
  /** Absent when the words are all there is. Words that lead into a log mean nothing in another process. */
  readonly log?: EventLog;

  /** Writes the state of a key never seen before. */
  open(words: Uint32Array, at: number, nowUs: Micros): void;
  /** Writes the verdict of asking for `cost` now (0 peeks) and changes nothing. */
  evaluate(words: Uint32Array, at: number, cost: number, nowUs: Micros, verdict: Verdict): void;
  /**
   * Charges `cost` to the state that `evaluate` looked at last, whatever it asked for then. Nothing may have been done
   * to it since, nor time have moved: what was read need not be read again.
   */
  commit(words: Uint32Array, at: number, cost: number, nowUs: Micros): void;
  /** Charges `cost` without asking: as debt for usage that already happened. */
  charge(words: Uint32Array, at: number, cost: number, nowUs: Micros): void;
  /**
   * Takes the newest `cost` units of what was charged back out, or all that still count. What is left is what
   * could have been admitted without them.
   */
  refund(words: Uint32Array, at: number, cost: number, nowUs: Micros): void;
  /**
   * Most units that usage which was only reported may add to a key, given what a peek says of it, so that one
   * wrong number shuts no key for years (ADR 0017). Infinity where what is owed ends with its window.
   */
  owable(resetAfterUs: number): number;
  /** Whether the key is indistinguishable from one never seen, so that dropping it loses nothing. */
  isIdle(words: Uint32Array, at: number, nowUs: Micros): boolean;
  /** Rewrites state left by `previous`, the same algorithm with other numbers, so that debt is kept. */
  retune(words: Uint32Array, at: number, previous: Algorithm, nowUs: Micros): void;
  /** Makes the key at least as strict as `other` from now on, where the two must share one bucket. */
  cover(words: Uint32Array, at: number, other: Uint32Array, otherAt: number, nowUs: Micros): void;
  /** Makes the key one with the same history at other times, all later or earlier by a multiple of `alignUs`. */
  shift(words: Uint32Array, at: number, byUs: number): void;
  /** Gives back whatever the key holds outside its words. */
  release(words: Uint32Array, at: number): void;
  /** Bytes held outside the key table. */
  outsideBytes(): number;
}
