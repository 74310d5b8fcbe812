import { describe, expect, it } from "vitest";
import { compilePolicies } from "../../admission/policy-set.ts";
import { ShardTable } from "../../admission/shard-table.ts";
import { KeyQuota } from "../../algorithms/key-census.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { StatePageWriter } from "../../algorithms/state-page.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { Verdict } from "../../core/decision.ts";
import { micros } from "../../core/units.ts";
import { NOW_US, policiesOf } from "../actors/lone-shard-actor.ts";

const NOW = micros(NOW_US);
const SHARD = 3;
const DAILY = "name: daily, dimension: key, algorithm: gcra, limit: 100, window: 1d";

function newTable(...lines: string[]): { table: ShardTable; budget: MemoryBudget } {
  const budget = new MemoryBudget(Infinity);
  return { table: new ShardTable(8, compilePolicies(policiesOf(...lines)), budget), budget };
}

/** Charges a key of an open shard, and tells the journal. */
function charge(table: ShardTable, key: number, units: number): number {
  const verdict = new Verdict();
  const limiter = table.decided(SHARD, NOW)?.limiter(0);
  if (limiter === undefined) throw new Error("not decided here");
  limiter.decide(key, key, units, NOW, verdict);
  const heavyKeys = table.journal(SHARD)?.heavyKeys(0);
  return heavyKeys?.charged(key, key, units, 100 - verdict.remaining, NOW) ?? 0;
}

function remaining(table: ShardTable, key: number): number | undefined {
  const verdict = new Verdict();
  table.keys(SHARD)?.limiter(0).evaluate(key, key, 0, NOW, verdict);
  return table.keys(SHARD) === undefined ? undefined : verdict.remaining;
}

describe("a shard table", () => {
  it("decides what is open and nothing else", () => {
    const { table } = newTable(DAILY);
    expect([table.isOpen(SHARD), table.decided(SHARD, NOW), table.keys(SHARD)]).toEqual([
      false,
      undefined,
      undefined,
    ]);
    table.open(SHARD, table.newKeys(SHARD));
    expect(table.isOpen(SHARD)).toBe(true);
    expect(table.decided(SHARD, NOW)).toBe(table.keys(SHARD));
    expect(table.isOpen(SHARD + 1)).toBe(false);
    expect(table.journal(SHARD)).toBeUndefined();
  });

  it("opens with the keys that it was filled with", () => {
    const { table } = newTable(DAILY);
    const keys = table.newKeys(SHARD);
    keys.limiter(0).decide(9, 9, 60, NOW, new Verdict());
    table.open(SHARD, keys);
    expect(remaining(table, 9)).toBe(40);
    expect(table.usage(SHARD).keys).toBe(1);
    expect(table.keysOfPolicy(0)).toBe(1);
  });

  it("counts whose keys are here, on their way in and out as well, and no more when they are gone", () => {
    const { table } = newTable(DAILY);
    const quota = new KeyQuota(0x0005_0007, 3);
    const staged = table.newKeys(SHARD);
    for (let n = 1; n <= 6; n += 1)
      staged.limiter(0).decide(n << 6, n % 2 === 0 ? 5 : 7, 60, NOW, new Verdict());
    expect(table.census.isFull(quota)).toBe(true);
    table.open(SHARD, staged);
    table.freeze(SHARD);
    expect(table.census.isFull(quota)).toBe(true);
    table.close(SHARD);
    expect(table.census.isEmpty).toBe(true);
  });

  it("does not decide a frozen shard, whose keys are still there", () => {
    const { table } = newTable(DAILY);
    table.open(SHARD, table.newKeys(SHARD));
    charge(table, 9, 60);
    table.freeze(SHARD);
    expect([table.isOpen(SHARD), table.decided(SHARD, NOW)]).toEqual([false, undefined]);
    expect(remaining(table, 9)).toBe(40);
    table.thaw(SHARD);
    expect(table.isOpen(SHARD)).toBe(true);
    charge(table, 9, 10);
    expect(remaining(table, 9)).toBe(30);
  });

  it("freezes and thaws as often as it is told", () => {
    const { table } = newTable(DAILY);
    table.freeze(SHARD);
    table.thaw(SHARD);
    expect(table.keys(SHARD)).toBeUndefined();
    table.open(SHARD, table.newKeys(SHARD));
    charge(table, 9, 60);
    for (let i = 0; i < 2; i += 1) table.freeze(SHARD);
    for (let i = 0; i < 2; i += 1) table.thaw(SHARD);
    expect([table.isOpen(SHARD), remaining(table, 9)]).toEqual([true, 40]);
  });

  it("lets the journal of a frozen shard be written to the end", () => {
    const { table } = newTable(DAILY);
    table.open(SHARD, table.newKeys(SHARD), true);
    // u is 5: the sixth unit of a key must be written before its answer goes out.
    const position = charge(table, 9, 60);
    expect(position).toBeGreaterThan(0);
    table.freeze(SHARD);
    const journal = table.journalToWrite(SHARD, NOW);
    const pages = journal?.takeDue(10_000) ?? [];
    const reader = new StatePageReader();
    reader.open(pages[0] as Uint8Array);
    expect([pages.length, reader.policy, reader.count]).toEqual([1, "daily", 1]);
    journal?.acked();
    expect(journal?.heavyKeys(0)?.journalled).toBeGreaterThanOrEqual(position);
    journal?.startSnapshot(true);
    expect(journal?.nextSnapshotPages(10_000)).toHaveLength(1);
    expect(journal?.nextSnapshotPages(10_000)).toBeUndefined();
  });

  it("brings a frozen shard under policies that changed meanwhile before its journal is written", () => {
    const { table } = newTable(DAILY);
    table.open(SHARD, table.newKeys(SHARD), true);
    charge(table, 9, 60);
    table.freeze(SHARD);
    table.adopt(compilePolicies(policiesOf(DAILY.replace("100", "80")), 2));
    const journal = table.journalToWrite(SHARD, NOW);
    journal?.startSnapshot(true);
    const reader = new StatePageReader();
    reader.open(journal?.nextSnapshotPages(10_000)?.[0] as Uint8Array);
    expect(reader.params).toMatchObject({ limit: 80 });
    table.thaw(SHARD);
    expect(table.decided(SHARD, NOW)?.revision).toBe(2);
  });

  it("takes other policies over when a shard is next touched, keeping what was spent", () => {
    const { table } = newTable(DAILY);
    table.open(SHARD, table.newKeys(SHARD));
    charge(table, 9, 60);
    table.adopt(compilePolicies(policiesOf(DAILY.replace("100", "200")), 2));
    expect(table.keysOfPolicy(0)).toBe(0);
    expect(table.decided(SHARD, NOW)?.revision).toBe(2);
    // What was spent stays spent.
    expect(remaining(table, 9)).toBe(140);
    expect(table.keysOfPolicy(0)).toBe(1);
  });

  it.each(["open", "frozen"])("gives back everything of a shard that is closed while %s", (state) => {
    const { table, budget } = newTable(DAILY);
    table.open(SHARD, table.newKeys(SHARD), true);
    for (let key = 1; key <= 50; key += 1) charge(table, key, 60);
    expect(budget.bytesUsed).toBeGreaterThan(0);
    if (state === "frozen") table.freeze(SHARD);
    table.close(SHARD);
    expect(budget.bytesUsed).toBe(0);
    expect([table.isOpen(SHARD), table.keys(SHARD), table.journal(SHARD)]).toEqual([
      false,
      undefined,
      undefined,
    ]);
    table.close(SHARD);
    table.thaw(SHARD);
    expect(table.isOpen(SHARD)).toBe(false);
    table.open(SHARD, table.newKeys(SHARD));
    expect(remaining(table, 1)).toBe(100);
  });

  it("forgets the many keys of a closed shard little by little, and none of those that come in their place", () => {
    const { table, budget } = newTable(DAILY, DAILY.replace("daily", "also"));
    const keys = table.newKeys(SHARD);
    table.open(SHARD, keys, true);
    for (const index of [0, 1]) {
      for (let key = 1; key <= 30_000; key += 1) {
        keys.limiter(index).decide(Math.imul(key, 0x9e3779b1), key, 1, NOW, new Verdict());
      }
    }
    const walk = keys.newWalk();
    table.close(SHARD);
    expect(table.keys(SHARD)).toBeUndefined();
    // Whoever still holds them, a handoff that has not ended, finds nothing there.
    const page = new StatePageWriter();
    keys.writePage(walk, page);
    expect([walk.isDone, page.count, keys.usage().keys, keys.dirtyKeys]).toEqual([true, 0, 0, 0]);
    table.open(SHARD, table.newKeys(SHARD));
    charge(table, 64, 60);
    const { bytesUsed: bytesBefore } = budget;
    let sweeps = 0;
    for (; table.census.keysOf(0) > 0 || budget.bytesUsed > bytesBefore / 4; sweeps += 1) table.sweep(NOW);
    expect(sweeps).toBeGreaterThan(4);
    expect(sweeps).toBeLessThan(40);
    for (let i = 0; i < 40; i += 1) table.sweep(NOW);
    expect(remaining(table, 64)).toBe(40);
    table.close(SHARD);
    expect(budget.bytesUsed).toBe(0);
    expect(table.census.isEmpty).toBe(true);
  });

  it("sweeps every open shard in turn, and no frozen one", () => {
    const { table } = newTable("name: quick, dimension: key, algorithm: gcra, limit: 100, window: 1s");
    for (const shard of [SHARD, SHARD + 1]) {
      const keys = table.newKeys(shard);
      keys.limiter(0).decide(9, 9, 1, NOW, new Verdict());
      table.open(shard, keys);
    }
    table.freeze(SHARD + 1);
    for (let i = 0; i < 8; i += 1) table.sweep(micros(NOW_US + 10_000_000));
    expect(table.keys(SHARD)?.usage().keys).toBe(0);
    expect(table.keys(SHARD + 1)?.usage().keys).toBe(1);
  });
});
