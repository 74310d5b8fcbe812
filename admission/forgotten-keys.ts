/**
 * Keys of one policy that were made new by name, not by time: what an operator has reset.
 *
 *      charged ─ page ─▶ forgotten ─ swept, being as good as new ─▶ to be written, and not in the table
 *
 * Of any other key that is gone, pages written before say nothing any more: it has drained, there as here. Of
 * one that was forgotten they do, and must be written over with the state of a key never seen.
 *
 * A name is kept until whatever was written before it was forgotten has drained. 11 bytes a name; they are few.
 */
import { KeySet } from "../algorithms/key-set.ts";
import type { MemoryBudget } from "../algorithms/memory-budget.ts";
import type { Micros } from "../core/units.ts";

export class ForgottenKeys {
  readonly #budget: MemoryBudget;
  #keys: KeySet | undefined;
  /** When the last one was forgotten. */
  #lastUs = 0;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  add(high: number, low: number, nowUs: Micros): void {
    this.#keys ??= new KeySet(this.#budget);
    this.#keys.add(high, low);
    this.#lastUs = nowUs;
  }

  has(high: number, low: number): boolean {
    return this.#keys?.has(high, low) === true;
  }

  /** @param drainedAfterUs after so long nothing that was written of a key counts */
  expire(nowUs: Micros, drainedAfterUs: number): void {
    if (nowUs - this.#lastUs >= drainedAfterUs) this.clear();
  }

  clear(): void {
    this.#keys?.dispose();
    this.#keys = undefined;
  }
}
