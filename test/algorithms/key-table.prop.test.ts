import * as fc from "fast-check";
import { expect, it } from "vitest";
import { KeyTable } from "../../algorithms/key-table.ts";
import { Prng } from "../../core/prng.ts";
import { hashSets, type Hash } from "./hashes.ts";
import { ReaperSpy, VALUE } from "./reaper-spy.ts";

interface Step {
  readonly kind: "insert" | "remove" | "idle" | "touch" | "sweep";
  readonly which: number;
}

/** Mostly insertions, so that tables grow. */
const histories: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.oneof(
      { weight: 60, arbitrary: fc.constant("insert" as const) },
      { weight: 30, arbitrary: fc.constantFrom("remove" as const, "idle" as const, "sweep" as const) },
      { weight: 5, arbitrary: fc.constant("touch" as const) },
    ),
    which: fc.nat({ max: 239 }),
  }),
  { maxLength: 300, size: "max" },
);

interface Size {
  readonly stateWords: number;
  readonly keysExpected: number;
  readonly stagger: number;
  /** Keys there are before the history begins. Where there are any, the table has just begun to grow then. */
  readonly crowd: number;
}

const sizes: fc.Arbitrary<Size> = fc.record({
  stateWords: fc.integer({ min: 1, max: 3 }),
  keysExpected: fc.constantFrom(0, 0, 40, 500),
  stagger: fc.constantFrom(0, 0.5, 1),
  crowd: fc.constantFrom(0, 0, 1_000, 4_000),
});

/** A low half that no other key of these histories has. */
const CROWD_LOW = 9;

/** A table and the plain Map it must agree with. Entries are numbered; a number is an entry's state. */
class Pair {
  readonly spy = new ReaperSpy();
  readonly table: KeyTable;
  /** The keys that the history is about. */
  readonly #hashes: readonly Hash[];
  readonly #model = new Map<Hash, number>();
  /** The key of every number ever given. */
  readonly #hashOf: Hash[] = [{ high: 0, low: 0 }];
  /** Entries that have been idle since the sweep last finished a round. */
  #overdue = new Set<number>();

  constructor(size: Size, hashes: readonly Hash[]) {
    this.table = new KeyTable(size, this.spy);
    const random = new Prng(size.crowd);
    const crowd: Hash[] = [];
    while (crowd.length < size.crowd || (size.crowd > 0 && !this.table.isResizing)) {
      // Every tenth follows the tenth before it: a run of neighbours that a walk will stop in.
      const high = crowd.length % 10 === 0 ? 2 ** 31 + crowd.length / 10 : random.u32();
      const hash = { high, low: CROWD_LOW };
      if (this.table.find(hash.high, hash.low) >= 0) continue;
      crowd.push(hash);
      this.#insert(hash);
    }
    this.#hashes = [...hashes, ...crowd.filter((_, i) => i % 10 < 2).slice(0, hashes.length)];
  }

  take({ kind, which }: Step): void {
    const { table, spy } = this;
    const hash = this.#hashes[which % this.#hashes.length] as Hash;
    const at = table.find(hash.high, hash.low);
    const value = table.words[at + VALUE] as number;
    if (kind === "insert" && at < 0) this.#insert(hash);
    else if (kind === "remove" && at >= 0) {
      spy.idle.add(value);
      table.remove(table.words, at);
    } else if (kind === "idle" && at >= 0) spy.idle.add(value);
    else if (kind === "touch" && at >= 0) {
      spy.idle.delete(value);
      this.#overdue.delete(value);
    } else if (kind === "sweep") this.#sweep(which < 200 ? which % 10 : Infinity);
    for (const dropped of spy.dropped.splice(0)) {
      expect(spy.idle.has(dropped) && this.#model.delete(this.#hashOf[dropped] as Hash)).toBe(true);
    }
  }

  /** What the table says about the keys of the history, and what it should say. */
  compare(): void {
    const found = this.#hashes.map((hash) => this.#valueOf(hash)).join(" ");
    expect(found).toBe(this.#hashes.map((hash) => this.#model.get(hash)).join(" "));
    expect(this.table.count).toBe(this.#model.size);
  }

  /** The same about every key, and what it shows a visitor. */
  compareAll(): void {
    const visited: number[] = [];
    const highs: number[] = [];
    this.table.forEach((words, at) => {
      highs.push(words[at] as number);
      visited.push(words[at + VALUE] as number);
    });
    const values = [...this.#model.values()];
    expect([...this.#model.keys()].map((hash) => this.#valueOf(hash))).toEqual(values);
    expect(visited.toSorted((a, b) => a - b)).toEqual(values.toSorted((a, b) => a - b));
    expect(highs).toEqual(highs.toSorted((a, b) => a - b));
  }

  #valueOf({ high, low }: Hash): number | undefined {
    const at = this.table.find(high, low);
    return at < 0 ? undefined : this.table.words[at + VALUE];
  }

  #insert(hash: Hash): void {
    const at = this.table.insert(hash.high, hash.low);
    const { words } = this.table;
    if (words[at + VALUE] !== 0) throw new Error("a new slot holds somebody's state");
    words[at + VALUE] = this.#hashOf.length;
    this.#model.set(hash, this.#hashOf.length);
    this.#hashOf.push(hash);
  }

  #sweep(slots: number): void {
    if (!this.table.sweep(slots)) return;
    const gone = new Set(this.spy.dropped);
    const isHere = (value: number): boolean =>
      !gone.has(value) && this.#model.get(this.#hashOf[value] as Hash) === value;
    expect([...this.#overdue].filter(isHere)).toEqual([]);
    this.#overdue = new Set([...this.spy.idle].filter(isHere));
  }
}

it("is a plain Map that drops only idle entries, and every idle one within two rounds of sweeping", () => {
  fc.assert(
    fc.property(sizes, hashSets, histories, (size, hashes, steps) => {
      const pair = new Pair(size, hashes);
      for (const step of steps) {
        pair.take(step);
        pair.compare();
      }
      pair.compareAll();
    }),
    // Shrinking a long history of a crowded table would take minutes.
    { numRuns: 300, interruptAfterTimeLimit: 20_000 },
  );
});
