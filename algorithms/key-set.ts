/**
 * A set of keys by identity, off the heap and in hash order: which keys were touched since (shard-keys.ts).
 * A key table without state; 11 bytes a key.
 */
import { KeyTable, placeAt, type Reaper } from "./key-table.ts";
import type { MemoryBudget } from "./memory-budget.ts";

/** Nothing in a set is dropped but by name. */
const KEEP_ALL: Reaper = { isIdle: () => false };

export class KeySet {
  readonly #table: KeyTable;

  constructor(budget?: MemoryBudget) {
    this.#table = new KeyTable({ stateWords: 0, ...(budget === undefined ? {} : { budget }) }, KEEP_ALL);
  }

  get size(): number {
    return this.#table.count;
  }

  /** Adds a key, whatever the memory budget says: one forgotten would be lost. @param high, low of either sign */
  add(high: number, low: number): void {
    if (this.#table.find(high, low) < 0) this.#table.insert(high, low, true);
  }

  /** Makes room for so many, before that many are added in hash order. */
  reserve(keys: number): void {
    this.#table.reserve(keys);
  }

  has(high: number, low: number): boolean {
    return this.#table.find(high, low) >= 0;
  }

  delete(high: number, low: number): void {
    const at = this.#table.find(high, low);
    if (at >= 0) this.#table.remove(this.#table.words, at);
  }

  /** The first key at or after a place in hash order (placeOf in key-table.ts), or −1. */
  nextFrom(place: number): number {
    const at = this.#table.nextFrom(place);
    return at < 0 ? -1 : placeAt(this.#table.words, at);
  }

  /** Gives all memory back; the set must not be used any more. */
  dispose(): void {
    this.#table.dispose();
  }
}
