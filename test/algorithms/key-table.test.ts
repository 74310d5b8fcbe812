import { expect, it, vi } from "vitest";
import { KeyTable, LOAD_MAX, placeAt } from "../../algorithms/key-table.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { SlotArray } from "../../algorithms/slot-array.ts";
import { Prng } from "../../core/prng.ts";
import { ReaperSpy, VALUE } from "./reaper-spy.ts";

/** Some ten microseconds' worth of moving. */
const MOVED_SLOTS_PER_INSERT = 256;
const KEYS = 30_000;
const SLOT_WORDS = 3;
const SLOT_BYTES = 4 * SLOT_WORDS;
/** As far as a table filled at random pushes a key, and what the tail adds to the scale. */
const NEAR_SLOTS = 1_500;

interface Filled {
  readonly table: KeyTable;
  readonly spy: ReaperSpy;
  readonly hashes: readonly number[];
}

/** A table of random keys, each numbered from 1. */
function filled(keys: number, options: { keysExpected?: number; budget?: MemoryBudget } = {}): Filled {
  const spy = new ReaperSpy();
  const table = new KeyTable({ ...options, stateWords: 1 }, spy);
  const random = new Prng(7);
  const hashes: number[] = [];
  for (let value = 1; value <= keys; value += 1) {
    const high = random.u32();
    if (table.find(high, 0) >= 0) continue;
    const at = table.insert(high, 0);
    table.words[at + VALUE] = value;
    hashes.push(high);
  }
  return { table, spy, hashes };
}

/** Whether every entry is within so many slots of its home. */
function areNearHome(table: KeyTable, slotsMax: number): boolean {
  const slots = table.bytes / SLOT_BYTES;
  let isNear = true;
  table.forEach((words, at) => {
    const home = ((words[at] as number) / 2 ** 32) * slots;
    if (Math.abs(at / SLOT_WORDS - home) > slotsMax) isNear = false;
  });
  return isNear;
}

it("takes keys in hash order without pushing them past each other, once it has room for all", () => {
  const spy = new ReaperSpy();
  const table = new KeyTable({ stateWords: 1 }, spy);
  const hashes = filled(KEYS).hashes.toSorted((a, b) => a - b);
  expect(table.reserve(KEYS)).toBe(1);
  for (const [i, high] of hashes.entries()) {
    const at = table.insert(high, 0);
    table.words[at + VALUE] = i + 1;
    if (i % 1_000 === 0) expect(areNearHome(table, NEAR_SLOTS)).toBe(true);
  }
  expect(table.count).toBe(hashes.length);
  for (const [i, high] of hashes.entries()) {
    const at = table.find(high, 0);
    expect(table.words[at + VALUE]).toBe(i + 1);
  }
});

it("makes as much room as the memory allows, and says for what share of the keys that is", () => {
  const table = new KeyTable({ stateWords: 1, budget: new MemoryBudget(100_000) }, new ReaperSpy());
  expect(table.reserve(3_000)).toBe(1);
  const share = table.reserve(KEYS);
  // One array beside the other: while it grows it holds both.
  expect(share).toBeGreaterThan((LOAD_MAX * 50_000) / SLOT_BYTES / KEYS / 1.25);
  expect(share).toBeLessThan(0.3);
  while (table.sweep(1_000) || table.isResizing);
  expect([table.bytes > 50_000, table.bytes <= 100_000]).toEqual([true, true]);
});

it("makes room also while it is changing its size", () => {
  const random = new Prng(5);
  for (const isGrowing of [true, false]) {
    const { table, spy } = filled(3_000);
    if (isGrowing) while (!table.isResizing) table.insert(random.u32(), 0);
    else {
      for (let value = 1; value <= 3_000; value += 1) if (value % 10 > 0) spy.idle.add(value);
      while (!table.sweep(64));
    }
    expect(table.isResizing).toBe(true);
    const before = table.count;
    expect(table.reserve(KEYS)).toBe(1);
    const highs = Array.from({ length: KEYS - before }, () => random.u32()).toSorted((a, b) => a - b);
    table.insert(highs[0]!, 1);
    while (table.isResizing) table.sweep(64);
    const { bytes } = table;
    for (const high of highs.slice(1)) if (table.find(high, 1) < 0) table.insert(high, 1);
    expect([table.bytes, areNearHome(table, NEAR_SLOTS)]).toEqual([bytes, true]);
  }
});

it("counts the free slots before a key's place", () => {
  const table = new KeyTable({ stateWords: 1, keysExpected: 1_000 }, new ReaperSpy());
  const middle = 2 ** 31;
  expect(table.freeBefore(middle, 64)).toBe(64);
  // Some thirty slots before.
  for (let tag = 0; tag < 10; tag += 1) table.insert(middle - 2 ** 27, tag);
  expect([table.freeBefore(middle, 64), table.freeBefore(middle, 16)]).toEqual([54, 16]);
  // From the first slot on where there are none before.
  expect(table.freeBefore(1, 64)).toBe(64);
});

it("knows a key by 32 bits of either sign", () => {
  const table = new KeyTable({ stateWords: 1 }, new ReaperSpy());
  const highs = [0, 1, 5, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
  for (const [i, high] of highs.slice(1).entries()) table.words[table.insert(high | 0, -1) + VALUE] = i + 1;
  const found = highs.map((high) => table.words[table.find(high, 0xffff) + VALUE]);
  // 0 marks an empty slot, so a hash of 0 is taken for 1.
  expect(found).toEqual([1, 1, 2, 3, 4, 5]);
});

it("grows without a pause: no insertion moves more than a few slots", () => {
  const spy = new ReaperSpy();
  const table = new KeyTable({ stateWords: 1 }, spy);
  const random = new Prng(1);
  const moved: number[] = [];
  let growths = 0;
  for (let value = 1; value <= KEYS; value += 1) {
    const wasResizing = table.isResizing;
    spy.looks = 0;
    table.words[table.insert(random.u32(), value % 5) + VALUE] = value;
    moved.push(spy.looks);
    if (!wasResizing && table.isResizing) growths += 1;
  }
  // One more where two keys with equal high hashes must stay together.
  expect(Math.max(...moved)).toBeLessThanOrEqual(MOVED_SLOTS_PER_INSERT + 1);
  expect(growths).toBeGreaterThan(20);
});

it("has settled long before it must grow again, at a load from 0.74 to 0.93", () => {
  const spy = new ReaperSpy();
  const table = new KeyTable({ stateWords: 1 }, spy);
  const random = new Prng(2);
  const loads: number[] = [];
  for (let value = 1; value <= KEYS; value += 1) {
    table.words[table.insert(random.u32(), 0) + VALUE] = value;
    if (value > 1_000 && !table.isResizing) loads.push(table.count / slotsOf(table));
  }
  expect(Math.min(...loads)).toBeGreaterThan(0.74);
  expect(Math.max(...loads)).toBeLessThanOrEqual(LOAD_MAX);
  expect(loads.length).toBeGreaterThan(0.8 * KEYS);
});

it("takes at most 2.25 times its array while growing", () => {
  const spy = new ReaperSpy();
  const table = new KeyTable({ stateWords: 1 }, spy);
  const random = new Prng(3);
  let settledBytes = table.bytes;
  let worst = 0;
  for (let value = 1; value <= KEYS; value += 1) {
    table.words[table.insert(random.u32(), 0) + VALUE] = value;
    if (table.isResizing) worst = Math.max(worst, table.bytes / settledBytes);
    else settledBytes = table.bytes;
  }
  expect(worst).toBeGreaterThan(2);
  expect(worst).toBeLessThanOrEqual(2.26);
});

it("gives the memory of an array back as soon as it has left it", () => {
  const table = new KeyTable({ stateWords: 1 }, new ReaperSpy());
  const random = new Prng(4);
  const used = new Set<Uint32Array>();
  for (let value = 1; value <= 2_000; value += 1) {
    table.words[table.insert(random.u32(), 0) + VALUE] = value;
    if (!table.isResizing) used.add(table.words);
  }
  while (table.isResizing) table.sweep(1_000);
  table.forEach((words) => used.add(words));
  const areThere = (): boolean[] => [...used].map((words) => words.length > 0);
  expect(used.size).toBeGreaterThan(10);
  expect(areThere().indexOf(true)).toBe(used.size - 1);
  table.clear();
  expect(areThere()).not.toContain(true);
  used.add(table.words);
  table.dispose();
  expect(areThere()).not.toContain(true);
});

it("is built to the size expected and does not grow on the way there", () => {
  const { table } = filled(1_000, { keysExpected: 1_000 });
  const { bytes } = new KeyTable({ stateWords: 1, keysExpected: 1_000 }, new ReaperSpy());
  expect(table.bytes).toBe(bytes);
});

it("shrinks when it has emptied, in small steps, and keeps what is left", () => {
  const { table, spy, hashes } = filled(KEYS);
  const bytesFull = table.bytes;
  for (const value of hashes.keys()) if (value % 10 !== 0) spy.idle.add(value + 1);

  let looksMost = 0;
  for (let step = 0; step < 4_000; step += 1) {
    spy.looks = 0;
    table.sweep(50);
    looksMost = Math.max(looksMost, spy.looks);
  }

  expect(looksMost).toBeLessThanOrEqual(51);
  expect(table.count).toBe(hashes.length / 10);
  expect(table.bytes).toBeLessThan(bytesFull / 6);
  const found = hashes.map((high) => table.words[table.find(high, 0) + VALUE]);
  expect(found.filter((value, i) => i % 10 === 0 && value === i + 1)).toHaveLength(hashes.length / 10);
});

it("steps over nobody when the sweep finds that entries have moved up since it last looked", () => {
  const spy = new ReaperSpy();
  const table = new KeyTable({ stateWords: 1, keysExpected: 100 }, spy);
  // One run from the first slot on.
  for (let value = 1; value <= 10; value += 1) table.words[table.insert(1, value) + VALUE] = value;
  spy.idle.add(6);
  table.sweep(5);
  const third = table.find(1, 3);
  table.remove(table.words, third);
  while (!table.sweep(5));
  expect(spy.dropped).toEqual([3, 6]);
});

it("looks at no more slots than it was given, also where the table is empty", () => {
  const table = new KeyTable({ stateWords: 1, keysExpected: 10_000 }, new ReaperSpy());
  while (!table.sweep(1_000));
  expect(table.isResizing).toBe(true);
  table.sweep(100);
  expect(table.isResizing).toBe(true);
});

it("goes through a table that is growing without looking through the empty half of it for every key", () => {
  const { table, hashes } = filled(KEYS);
  for (let high = 1; !table.isResizing; high += 100_003) if (table.find(high, 0) < 0) table.insert(high, 0);
  const looks = vi.spyOn(SlotArray.prototype, "nextFrom");
  let keys = 0;
  for (let at = table.nextFrom(0); at >= 0; at = table.nextFrom(placeAt(table.words, at) + 1)) keys += 1;
  expect(table.isResizing).toBe(true);
  expect(keys).toBe(table.count);
  expect(keys).toBeGreaterThanOrEqual(hashes.length);
  // One of its own each, one where the halves meet, one at the end.
  expect(looks.mock.calls.length).toBeLessThanOrEqual(keys + 2);
  looks.mockRestore();
});

it("samples neighbours in hash order, from the key's own place onwards and round the end", () => {
  const { table, hashes } = filled(1_000, { keysExpected: 1_000 });
  const ascending = hashes.toSorted((a, b) => a - b);
  for (const most of [1, 32, 2_000]) {
    const sampled: number[] = [];
    table.sample(2 ** 31, most, (words, at) => void sampled.push(words[at] as number));
    const first = ascending.indexOf(sampled[0] as number);
    expect(sampled).toEqual([...ascending.slice(first), ...ascending.slice(0, first)].slice(0, most));
    expect(Math.abs(first - 500)).toBeLessThan(60);
    const before: number[] = [];
    table.sample(2 ** 31, most, (words, at) => void before.push(words[at] as number), 200);
    expect(Math.abs(ascending.indexOf(before[0] as number) - 315)).toBeLessThan(60);
  }
});

it("samples from the whole table while it is growing", () => {
  const { table } = filled(1_000);
  const random = new Prng(9);
  while (!table.isResizing) table.insert(random.u32(), 0);
  let sampled = 0;
  table.sample(2 ** 31, Infinity, () => (sampled += 1));
  expect(sampled).toBe(table.count);
});

it("gives every entry back to the reaper once when cleared, and its memory to the budget", () => {
  const budget = new MemoryBudget(Infinity);
  const { table, spy, hashes } = filled(5_000, { budget });
  expect(budget.bytesUsed).toBe(table.bytes);
  table.clear();
  expect(spy.dropped.toSorted((a, b) => a - b)).toEqual(hashes.map((_, i) => i + 1));
  expect([table.count, table.find(hashes[0] as number, 0)]).toEqual([0, -1]);
  expect(budget.bytesUsed).toBe(table.bytes);
});

it.each(["at rest", "while it is growing"])("ends %s, so many slots at a time, each entry once", (when) => {
  const budget = new MemoryBudget(Infinity);
  const { table, spy } = filled(5_000, { budget });
  const isReady = (): boolean => when === "at rest" || table.isResizing;
  for (let key = 1; !isReady(); key += 1) table.insert(key * 4_000_037, 9);
  const { count } = table;
  const alreadyDropped = spy.dropped.length;
  for (let calls = 0; !table.dispose(100); calls += 1) {
    expect(spy.dropped.length - alreadyDropped).toBeLessThanOrEqual(100 * (calls + 1));
    expect(budget.bytesUsed).toBe(table.bytes);
  }
  expect(spy.dropped.length - alreadyDropped).toBe(count);
  expect(budget.bytesUsed).toBe(0);
});

it("never takes more than its budget, and says so where it would have to", () => {
  const budget = new MemoryBudget(100_000);
  const spy = new ReaperSpy();
  const table = new KeyTable({ stateWords: 1, budget }, spy);
  const random = new Prng(4);
  let refused = 0;
  let bytesMost = 0;
  for (let value = 1; value <= KEYS; value += 1) {
    if (table.insert(random.u32(), 0) < 0) refused += 1;
    bytesMost = Math.max(bytesMost, table.bytes);
  }
  expect(bytesMost).toBeLessThanOrEqual(budget.bytesMax);
  expect(budget.bytesUsed).toBe(table.bytes);
  // Room for old and new array together: 100 kB hold two arrays of 3,700 and 4,600 slots of 12 bytes.
  expect(table.count).toBeGreaterThan(3_000);
  expect(refused).toBe(KEYS - table.count);
  expect(table.insert(5, 0, true)).toBeGreaterThanOrEqual(0);
});

function slotsOf(table: KeyTable): number {
  const slots = table.bytes / 12;
  // The tail is a sixteenth of the homes, 32 at least and 1,024 at most.
  for (const homes of [slots - 32, Math.ceil((slots * 16) / 17), slots - 1_024]) {
    if (SlotArray.bytesFor(homes, 1) === table.bytes) return homes;
  }
  throw new Error(`no number of homes takes ${table.bytes} bytes`);
}
