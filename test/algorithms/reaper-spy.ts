import type { Reaper } from "../../algorithms/key-table.ts";

/** Where these tests keep an entry's own number in its state. */
export const VALUE = 2;

/** A reaper that is told which entries are idle, counts how many it was asked about and notes what was dropped. */
export class ReaperSpy implements Reaper {
  readonly idle = new Set<number>();
  readonly dropped: number[] = [];
  looks = 0;

  isIdle(words: Uint32Array, at: number): boolean {
    this.looks += 1;
    return this.idle.has(words[at + VALUE] as number);
  }

  release(words: Uint32Array, at: number): void {
    this.dropped.push(words[at + VALUE] as number);
  }
}
