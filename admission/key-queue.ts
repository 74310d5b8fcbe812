/**
 * Keys waiting to be written, first come first served, with a mark for those being written.
 *
 *      journalled        taken              queued
 *          │ in flight     │ waiting          │
 *      ────┼───────────────┼──────────────────┼──▶ positions, ascending for ever
 *
 * Positions are counted from the beginning of time, so "everything queued up to now has been journalled" is
 * one comparison. A ring in one typed array that doubles when full and shrinks when empty.
 */

const CAPACITY_MIN = 64;

export class KeyQueue {
  /** Positions below are journalled. */
  journalled = 0;
  /** Positions below are journalled or being written. */
  taken = 0;

  #queued = 0;
  /** Pairs of high and low. */
  #pairs = new Uint32Array(2 * CAPACITY_MIN);

  /** The position that the next key gets. */
  get queued(): number {
    return this.#queued;
  }

  push(high: number, low: number): void {
    const room = this.#pairs.length / 2;
    if (this.#queued - this.journalled === room) this.#resize(2 * room);
    else if (this.#queued === this.journalled && room > CAPACITY_MIN) this.#resize(CAPACITY_MIN);
    const at = this.#slot(this.#queued);
    this.#pairs[at] = high;
    this.#pairs[at + 1] = low;
    this.#queued += 1;
  }

  highAt(position: number): number {
    return this.#pairs[this.#slot(position)] as number;
  }

  lowAt(position: number): number {
    return this.#pairs[this.#slot(position) + 1] as number;
  }

  #slot(position: number): number {
    return 2 * (position % (this.#pairs.length / 2));
  }

  #resize(room: number): void {
    const pairs = new Uint32Array(2 * room);
    for (let i = this.journalled; i < this.#queued; i += 1) {
      pairs[2 * (i % room)] = this.highAt(i);
      pairs[2 * (i % room) + 1] = this.lowAt(i);
    }
    this.#pairs = pairs;
  }
}
