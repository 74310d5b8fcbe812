import { describe, expect, it } from "vitest";
import { JournalledKeys } from "../../admission/journalled-keys.ts";
import type { LoanKey } from "../../admission/loan.ts";
import { compilePolicies } from "../../admission/policy-set.ts";
import type { Reservations } from "../../admission/reservations.ts";
import { ShardKeys } from "../../admission/shard-keys.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { Prng } from "../../core/prng.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { NOW_US, policiesOf } from "../actors/lone-shard-actor.ts";
import { CrashingShard, type ShardAction } from "./crashing-shard.ts";

const budget = new MemoryBudget(Infinity);
const WINDOW_US = 12 * US_PER_S;

describe("journalled keys", () => {
  it("count what was spent unlooked before others were lent of the key", () => {
    // u is 20: 10 for what is lent, 10 for what is spent here; below 2.5 nobody looks.
    const shard = new CrashingShard({ algorithm: "fixed-window", limit: 400, window: "12s" });
    const borrow = { do: "borrow", key: 0, holder: 0, spend: 0, giveBack: 0 } as const;
    const story: ShardAction[] = [
      { do: "check", key: 0, cost: 10 },
      { do: "write", bytes: 4_000, fate: "acked", isAtOnce: true },
      { do: "pass", us: WINDOW_US - (NOW_US % WINDOW_US) + 1 },
      { do: "check", key: 0, cost: 2 },
      { ...borrow, need: 10 },
      { do: "check", key: 0, cost: 10 },
    ];
    for (const action of story) shard.run(action);
    expect(shard.overAdmitted()).toEqual([]);
  });

  it("begin a snapshot with what is reserved, of the policies in force by then", () => {
    const [one, two] = ["one", "two"].map(
      (name) => `name: ${name}, dimension: org, algorithm: gcra, limit: 100, window: 1d`,
    ) as [string, string];
    const policies = compilePolicies(policiesOf(one, two), 1);
    const keys = new ShardKeys(0, 0, policies, budget);
    const reserved: LoanKey[] = [1, 2, 3].map((high) => ({ shard: 0, policyIndex: 0, high, low: high }));
    let index = 0;
    const reservations: Reservations = {
      hasReserved: true,
      reservedOf: (policyIndex, high) => (policyIndex === index ? 10 * high : 0),
      reservedKeys: () => reserved.map((key) => ({ ...key, policyIndex: index })),
    };
    const journalled = new JournalledKeys(keys, policies, { stagger: 0, budget, reservations });
    journalled.startSnapshot(false);
    // One key a page.
    expect(entries(journalled.nextSnapshotPages(1))).toEqual(["one 3 30"]);
    const swapped = compilePolicies(policiesOf(two, one), 2);
    keys.adopt(swapped, micros(NOW_US));
    journalled.adopt(swapped);
    index = 1;
    const rest: string[] = [];
    for (let pages = journalled.nextSnapshotPages(1); pages !== undefined;) {
      rest.push(...entries(pages));
      pages = journalled.nextSnapshotPages(1);
    }
    expect(rest.toSorted()).toEqual(["one 1 10", "one 2 20", "one 3 30"]);
  });

  it("know every key after a recovery, however many have become idle since", () => {
    const policies = compilePolicies(
      policiesOf("name: odd, dimension: user, algorithm: gcra, limit: 32749, window: 10m"),
      1,
    );
    const keys = new ShardKeys(0, 0, policies, budget);
    const random = new Prng(7);
    for (let key = 0; key < 4_000; key += 1) {
      const cost = key < 600 ? 32_749 : 1_000;
      keys.limiter(0).charge(random.u32(), random.u32(), cost, micros(NOW_US));
    }
    const journalled = new JournalledKeys(keys, policies, { stagger: 0, budget });
    // By now 600 still owe something, a sweep is overdue, and the table shrinks by it.
    journalled.recovered(micros(NOW_US + 560 * US_PER_S));
    expect([keys.keysOf(0), journalled.heavyKeys(0)?.entries]).toEqual([600, 600]);
  });
});

function entries(pages: readonly Uint8Array[] | undefined): string[] {
  const reader = new StatePageReader();
  return (pages ?? []).flatMap((page) => {
    reader.open(page);
    const lines: string[] = [];
    while (reader.next()) lines.push(`${reader.policy} ${reader.high} ${reader.reserved}`);
    return lines;
  });
}
