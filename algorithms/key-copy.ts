/** One slot's state in another slot; identities stay where they are (algorithm.ts has the layout). */
import { micros, type Micros } from "../core/units.ts";
import type { Algorithm } from "./algorithm.ts";

/** Writes into the slot at `at` what the one at the start of `from` remembers; each goes on by itself. */
export function copyKey(
  algorithm: Algorithm,
  from: Uint32Array,
  words: Uint32Array,
  at: number,
  nowUs: Micros,
): void {
  const { log, stateWords } = algorithm;
  if (log === undefined) {
    moveKey(from, words, at, stateWords);
    return;
  }
  algorithm.open(words, at, nowUs);
  const events = log.select(from, 0, nowUs);
  for (let index = 0; index < events; index += 1) {
    // Appending points the log at the other key.
    log.select(from, 0, nowUs);
    log.append(words, at, micros(log.timeUs(index)), log.cost(index));
  }
}

/** The same where the slot at the start of `from` ends with it: a log changes hands. */
export function moveKey(from: Uint32Array, words: Uint32Array, at: number, stateWords: number): void {
  words[at + 1] = ((words[at + 1] as number) & 0xffff0000) | ((from[1] as number) & 0xffff);
  for (let word = 2; word < 2 + stateWords; word += 1) words[at + word] = from[word] as number;
}
