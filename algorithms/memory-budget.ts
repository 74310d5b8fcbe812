/**
 * One memory cap shared by all key tables of a process. A table that may not grow evicts instead, and
 * counts it (keyed-limiter.ts); running out of memory is never the operating system's decision.
 */
export class MemoryBudget {
  readonly bytesMax: number;
  #bytesUsed = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get bytesUsed(): number {
    return this.#bytesUsed;
  }

  /** Whether `bytes` more would be granted. */
  has(bytes: number): boolean {
    return this.#bytesUsed + bytes <= this.bytesMax;
  }

  /** Whether `bytes` more were granted. */
  reserve(bytes: number): boolean {
    if (!this.has(bytes)) return false;
    this.#bytesUsed += bytes;
    return true;
  }

  /** Takes `bytes` that cannot be refused: a table's first few slots, a log that must remember. */
  force(bytes: number): void {
    this.#bytesUsed += bytes;
  }

  release(bytes: number): void {
    this.#bytesUsed -= bytes;
  }
}

/** What one holder has booked that cannot be refused; the difference is booked whenever it tells how much it holds. */
export class Booking {
  readonly #budget: MemoryBudget | undefined;
  #bytes = 0;

  constructor(budget: MemoryBudget | undefined) {
    this.#budget = budget;
  }

  hold(bytes: number): void {
    if (bytes === this.#bytes) return;
    this.#budget?.force(bytes - this.#bytes);
    this.#bytes = bytes;
  }
}
