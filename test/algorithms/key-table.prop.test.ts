import * as fc from "fast-check";
import { expect, it } from "vitest";
import { KeyTable } from "../../algorithms/key-table.ts";
import { hashSets, type Hash } from "./hashes.ts";
import { ReaperSpy, VALUE } from "./reaper-spy.ts";

interface Step {
  readonly kind: "insert" | "remove" | "idle" | "touch" | "sweep";
  readonly which: number;
}

/** Mostly insertions, so that tables grow. */
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.oneof(
      { weight: 60, arbitrary: fc.constant("insert" as const) },
      { weight: 30, arbitrary: fc.constantFrom("remove" as const, "idle" as const, "sweep" as const) },
      { weight: 5, arbitrary: fc.constant("touch" as const) },
    ),
    which: fc.nat({ max: 119 }),
  }),
  { maxLength: 300, size: "max" },
);

const sizes = fc.record({
  stateWords: fc.integer({ min: 1, max: 3 }),
  keysExpected: fc.constantFrom(0, 0, 40, 500),
  stagger: fc.constantFrom(0, 0.5, 1),
});

/** A table and the plain Map it must agree with. Entries are numbered; a number is an entry's state. */
class Pair {
  readonly spy = new ReaperSpy();
  readonly table: KeyTable;
  readonly #hashes: readonly Hash[];
  readonly #model = new Map<number, Hash>();
  #valueNext = 1;
  /** Entries that have been idle since the sweep last finished a round. */
  #overdue = new Set<number>();

  constructor(
    options: { stateWords: number; keysExpected: number; stagger: number },
    hashes: readonly Hash[],
  ) {
    this.table = new KeyTable(options, this.spy);
    this.#hashes = hashes;
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
    } else if (kind === "sweep") this.#sweep(which < 100 ? which % 10 : Infinity);
    for (const dropped of spy.dropped.splice(0)) {
      expect(spy.idle.has(dropped) && this.#model.delete(dropped)).toBe(true);
    }
  }

  /** What the table says about every key there is, and what it should say. */
  compare(): void {
    const { table } = this;
    const byHash = new Map([...this.#model].map(([value, hash]) => [hash, value]));
    const found = this.#hashes.map(({ high, low }) => {
      const at = table.find(high, low);
      return at < 0 ? undefined : table.words[at + VALUE];
    });
    expect(found).toEqual(this.#hashes.map((hash) => byHash.get(hash)));

    const visited: number[] = [];
    const highs: number[] = [];
    table.forEach((words, at) => {
      highs.push(words[at] as number);
      visited.push(words[at + VALUE] as number);
    });
    expect(visited.toSorted((a, b) => a - b)).toEqual([...this.#model.keys()].toSorted((a, b) => a - b));
    expect(highs).toEqual(highs.toSorted((a, b) => a - b));
    expect(table.count).toBe(this.#model.size);
  }

  #insert(hash: Hash): void {
    const at = this.table.insert(hash.high, hash.low);
    const { words } = this.table;
    expect(words[at + VALUE]).toBe(0);
    words[at + VALUE] = this.#valueNext;
    this.#model.set(this.#valueNext, hash);
    this.#valueNext += 1;
  }

  #sweep(slots: number): void {
    const isRoundOver = this.table.sweep(slots);
    if (!isRoundOver) return;
    const gone = new Set(this.spy.dropped);
    const left = [...this.#overdue].filter((value) => this.#model.has(value) && !gone.has(value));
    expect(left).toEqual([]);
    this.#overdue = new Set([...this.spy.idle].filter((value) => this.#model.has(value) && !gone.has(value)));
  }
}

it("is a plain Map that drops only idle entries, and every idle one within two rounds of sweeping", () => {
  fc.assert(
    fc.property(sizes, hashSets, steps, (options, hashes, history) => {
      const pair = new Pair(options, hashes);
      for (const step of history) {
        pair.take(step);
        pair.compare();
      }
    }),
    { numRuns: 120 },
  );
});
