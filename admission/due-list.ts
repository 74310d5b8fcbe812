/**
 * Things that want attention at some later moment, looked at in coarse steps: a timer wheel without a rim.
 *
 *      slot of 10 ms ──▶ things due in it          tick at t takes every slot that ended by t
 *
 * An entry carries the slot it is meant for; putting it off leaves it where it is (it comes early, looks, and
 * is scheduled again), bringing it forward leaves a stale mention behind that is skipped. So scheduling is one
 * push, and nothing is ever searched for.
 */
const SLOT_US = 10_000;

export interface Due {
  /** Slot the entry is listed in, Infinity when in none. Written by the list alone. */
  dueSlot: number;
}

export class DueList<Entry extends Due> {
  readonly #slots = new Map<number, Entry[]>();
  #taken = -Infinity;

  /** @param dueUs on whatever clock `take` is called with */
  schedule(entry: Entry, dueUs: number): void {
    const slot = Math.max(Math.ceil(dueUs / SLOT_US), this.#taken + 1);
    if (slot >= entry.dueSlot) return;
    entry.dueSlot = slot;
    const entries = this.#slots.get(slot);
    if (entries === undefined) this.#slots.set(slot, [entry]);
    else entries.push(entry);
  }

  /** Takes what is due by now out of the list, earliest slot first. */
  take(nowUs: number): Entry[] {
    const last = Math.floor(nowUs / SLOT_US);
    if (last <= this.#taken || this.#slots.size === 0) return [];
    this.#taken = last;
    const slots = [...this.#slots.keys()].filter((slot) => slot <= last).toSorted((a, b) => a - b);
    const due: Entry[] = [];
    for (const slot of slots) {
      for (const entry of this.#slots.get(slot) ?? []) {
        if (entry.dueSlot !== slot) continue;
        entry.dueSlot = Infinity;
        due.push(entry);
      }
      this.#slots.delete(slot);
    }
    return due;
  }

  /** Forgets an entry wherever it is listed. */
  remove(entry: Entry): void {
    entry.dueSlot = Infinity;
  }
}
