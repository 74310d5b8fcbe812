/**
 * The giver's pages in order: first a walk over the whole table, then rounds of what became dirty meanwhile.
 *
 *      walk  ▒▒▒▒▒▒▒▒▒▒▒▒ │ round 1 ▒▒▒ │ round 2 ▒ │ the rest fits one page: FINAL
 *                  └─ sent, at most four of them unacknowledged
 *
 * Each round is as long as what was dirty when it began, so rounds shrink as long as keys are charged more
 * slowly than pages travel. There is one in any case: clients wait for FINAL, which should have no more to say
 * than what the last milliseconds charged. There is no sending again: the taker refuses a gap and the transfer
 * ends.
 */
import { assert } from "../../core/assert.ts";
import { malformed } from "./messages.ts";
import type { TravellingShard } from "./transfer.ts";

const WINDOW_PAGES = 4;
/** Until a dirty page has been seen: a slot and what goes with it. */
const ENTRY_BYTES_FIRST = 32;

export class PageWindow {
  sent = 0;
  acked = 0;
  bytes = 0;
  rounds = 0;
  readonly #table: TravellingShard;
  readonly #pageBytes: number;
  #isWalkDone = false;
  /** Dirty entries still to be sent in this round. */
  #roundLeft = 0;
  #entryBytes = ENTRY_BYTES_FIRST;

  constructor(table: TravellingShard, pageBytes: number) {
    this.#table = table;
    this.#pageBytes = pageBytes;
  }

  /** Whether walk and round are over and everything sent has arrived. */
  get isSettled(): boolean {
    return this.#isWalkDone && this.#roundLeft <= 0 && this.acked === this.sent;
  }

  /** Whether what is dirty now fits one page; half of one, after a round, while keys are still being charged. */
  hasFewDirty(isFrozen: boolean): boolean {
    const bytes = this.#table.dirtyCount * this.#entryBytes;
    return isFrozen ? bytes <= this.#pageBytes : this.rounds > 0 && bytes <= 0.5 * this.#pageBytes;
  }

  startRound(): void {
    this.rounds += 1;
    this.#roundLeft = this.#table.dirtyCount;
  }

  /** The next page, if the window has room for one and there is one. */
  next(): Uint8Array | undefined {
    if (this.sent - this.acked >= WINDOW_PAGES) return undefined;
    const page = this.#walked() ?? this.#dirty();
    if (page === undefined) return undefined;
    this.sent += 1;
    this.bytes += page.length;
    return page;
  }

  /** All that is dirty, for FINAL. */
  rest(): Uint8Array[] {
    const pages: Uint8Array[] = [];
    for (;;) {
      const page = this.#table.nextDirtyPage(this.#pageBytes);
      if (page === undefined) return pages;
      pages.push(page);
    }
  }

  /** Notes that the taker has `count` pages; whether that was news. @throws ParlError PARL_MALFORMED */
  ack(count: number): boolean {
    if (count > this.sent) throw malformed(`acknowledges ${count} pages, ${this.sent} were sent`);
    if (count <= this.acked) return false;
    this.acked = count;
    return true;
  }

  #walked(): Uint8Array | undefined {
    if (this.#isWalkDone) return undefined;
    const page = this.#table.nextPage(this.#pageBytes);
    this.#isWalkDone = page === undefined;
    return page;
  }

  #dirty(): Uint8Array | undefined {
    if (this.#roundLeft <= 0) return undefined;
    const before = this.#table.dirtyCount;
    const page = this.#table.nextDirtyPage(this.#pageBytes);
    const taken = before - this.#table.dirtyCount;
    assert(page === undefined ? this.#table.dirtyCount === 0 : taken > 0, "a dirty page takes dirty keys");
    if (page === undefined) {
      this.#roundLeft = 0;
      return undefined;
    }
    this.#roundLeft -= taken;
    this.#entryBytes = Math.max(1, page.length / taken);
    return page;
  }
}
