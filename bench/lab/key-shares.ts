/** Who has how much of a trace: the hottest key, the median key, and those about the median. */
import type { EventColumns } from "../events.ts";

/** Ranks about the median, of all keys that are asked. */
const MIDDLE = { from: 0.4, to: 0.6 };

export class KeyShares {
  readonly hottestKey: number;
  /** Of all events, 0 … 1. */
  readonly hottest: number;
  readonly median: number;
  readonly #rankOf: Uint32Array;
  readonly #keys: number;

  /** @param keys each is asked for at least once */
  constructor(events: EventColumns, keys: number) {
    const counts = new Uint32Array(keys);
    for (const key of events.key.subarray(0, events.count)) counts[key]! += 1;
    const byHeat = Array.from(counts.keys()).toSorted((left, right) => counts[right]! - counts[left]!);
    this.hottestKey = byHeat[0]!;
    this.hottest = counts[this.hottestKey]! / events.count;
    this.median = counts[byHeat[Math.floor((keys - 1) / 2)]!]! / events.count;
    this.#keys = keys;
    this.#rankOf = new Uint32Array(keys);
    for (const [rank, key] of byHeat.entries()) this.#rankOf[key] = rank;
  }

  isMiddle(key: number): boolean {
    const rank = this.#rankOf[key]!;
    return rank >= MIDDLE.from * this.#keys && rank < MIDDLE.to * this.#keys;
  }
}
