/**
 * A shard whose process may end at any moment: what was answered before, what was lent to others and what a
 * successor admits from the journal never come to more than the limit, all together.
 *
 *      decide ─▶ held until journalled ─▶ answered       takeDue, snapshot ─▶ written ─▶ acked
 *      crash ─▶ fresh keys ◀── every page written, in order ─▶ takeover ─▶ admits what is left
 *
 * Windows are so long that nothing drains: units can be counted.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Admission, type AdmissionOptions } from "../../admission/admission.ts";
import { crashBudget, takeoverUnits } from "../../admission/durability.ts";
import type { JournalHold, JournalledKeys } from "../../admission/journalled-keys.ts";
import { LendingHome } from "../../admission/lending-home.ts";
import { Lending } from "../../admission/lending.ts";
import { NO_SESSION, type BorrowRow, type Session } from "../../admission/loan-messages.ts";
import type { Policy } from "../../admission/policy.ts";
import { compilePolicies } from "../../admission/policy-set.ts";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { StatePageReader } from "../../algorithms/state-page.ts";
import { micros } from "../../core/units.ts";
import { NOW_US, policiesOf } from "../actors/lone-shard-actor.ts";

const KEYS = ["k1", "k2", "k3"] as const;
const HOLDER = { member: "other", incarnation: 9 };
const KEY_DIMENSION = 1;

type Action =
  | { readonly do: "check"; readonly key: number; readonly cost: number }
  | { readonly do: "borrow"; readonly key: number; readonly need: number; readonly spend: number }
  | { readonly do: "write"; readonly bytes: number; readonly fate: "acked" | "unheard" | "lost" }
  | { readonly do: "pass"; readonly us: number }
  | { readonly do: "limit"; readonly limit: number; readonly isOtherFirst: boolean };

const keys = fc.nat(KEYS.length - 1);
const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    {
      arbitrary: fc.record({
        do: fc.constant("check" as const),
        key: keys,
        cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 120 })),
      }),
      weight: 10,
    },
    {
      arbitrary: fc.record({
        do: fc.constant("borrow" as const),
        key: keys,
        need: fc.constantFrom(0, 1, 2, 30),
        spend: fc.constantFrom(0, 1, 2, 30),
      }),
      weight: 4,
    },
    {
      arbitrary: fc.record({
        do: fc.constant("write" as const),
        bytes: fc.constantFrom(40, 150, 4_000),
        fate: fc.constantFrom("acked" as const, "acked" as const, "unheard" as const, "lost" as const),
      }),
      weight: 6,
    },
    { arbitrary: fc.record({ do: fc.constant("pass" as const), us: fc.nat(2_000_000) }), weight: 2 },
  ),
  { maxLength: 60, size: "max" },
);
const changes: fc.Arbitrary<Action> = fc.record({
  do: fc.constant("limit" as const),
  limit: fc.constantFrom(60, 100, 140),
  isOtherFirst: fc.boolean(),
});

function documentOf(algorithm: string, limit: number, isOtherFirst = false) {
  const main = `name: main, dimension: key, algorithm: ${algorithm}, limit: ${limit}, window: 1d`;
  // A policy that is never the tightest, to move the index of the other.
  const other = "name: other, dimension: key, algorithm: gcra, limit: 100000, window: 1d";
  return policiesOf(...(isOtherFirst ? [other, main] : [main, other]));
}

/** What another process knows of a key. */
interface Borrowed {
  id: number;
  granted: number;
  spent: number;
  session: Session;
}

interface Held {
  readonly key: number;
  readonly units: number;
  readonly holds: readonly JournalHold[];
}

class Shard {
  readonly algorithm: string;
  limitMost: number;
  #options: AdmissionOptions;
  #admission: Admission;
  /** Units that somebody was told of, by key: answered, or lent and told. */
  readonly told = KEYS.map(() => 0);
  #held: Held[] = [];
  readonly #pages: Uint8Array[] = [];
  #isSnapshotDue = false;
  readonly #borrowed: Borrowed[] = KEYS.map(() => ({ id: 0, granted: 0, spent: 0, session: NO_SESSION }));
  #nowUs = NOW_US;

  constructor(algorithm: string, limit: number) {
    this.algorithm = algorithm;
    this.limitMost = limit;
    const policies = compilePolicies(documentOf(algorithm, limit));
    this.#options = { shards: 1, secret: { high: 1, low: 2 }, policies, budget: new MemoryBudget(Infinity) };
    this.#admission = new Admission(this.#options);
    this.#admission.lending = this.#newLending(this.#admission);
    this.#admission.table.open(0, this.#admission.table.newKeys(0), true);
  }

  run(action: Action): void {
    switch (action.do) {
      case "check":
        this.#describe(action.key);
        this.#admission.decide(action.cost, this.#now);
        if (this.#admission.verdict.outcome === "allowed") this.#answer(action.key, action.cost);
        return;
      case "borrow":
        this.#borrow(action.key, action.need, action.spend);
        return;
      case "write":
        this.#write(action.bytes, action.fate);
        return;
      case "pass":
        this.#nowUs += action.us;
        this.#admission.table.sweep(this.#now);
        return;
      case "limit":
        this.limitMost = Math.max(this.limitMost, action.limit);
        this.#adopt(action.limit, action.isOtherFirst);
    }
  }

  /** What a successor admits of every key, one unit at a time, after having read what was written. */
  admittedAfterCrash(): number[] {
    const admission = new Admission(this.#options);
    const staged = admission.table.newKeys(0);
    const reader = new StatePageReader();
    for (const page of this.#pages) {
      reader.open(page);
      staged.adoptPage(reader, micros(0));
    }
    staged.recover(this.#now, (policy) => takeoverUnits(policy, 1));
    admission.table.open(0, staged, true);
    admission.table.journalToWrite(0, this.#now)?.recovered(this.#now);
    return KEYS.map((key) => {
      admission.describe("acme", "", key);
      let units = 0;
      while (units <= this.limitMost) {
        admission.decide(1, this.#now);
        if (admission.verdict.outcome !== "allowed") break;
        units += 1;
      }
      return units;
    });
  }

  /** Lets everything be written; how many answers are held then. */
  settle(): number {
    for (let i = 0; i < 20; i += 1) this.#write(4_000, "acked");
    return this.#held.length;
  }

  get #now() {
    return micros(this.#nowUs);
  }

  get #journal(): JournalledKeys {
    return this.#admission.table.journalToWrite(0, this.#now) as JournalledKeys;
  }

  #newLending(admission: Admission): Lending {
    const { policies } = this.#options;
    const lending = new Lending({
      holder: { member: "us", incarnation: 1 },
      home: new LendingHome(admission.table, admission.holds),
      policies,
      nowUs: this.#now,
    });
    lending.members = 2;
    return lending;
  }

  #describe(key: number): void {
    this.#admission.describe("acme", "", KEYS[key] as string);
  }

  #answer(key: number, units: number): void {
    this.#held.push({ key, units, holds: this.#admission.holds.splice(0) });
    this.#release();
  }

  #release(): void {
    this.#held = this.#held.filter(({ key, units, holds }) => {
      if (holds.some(({ heavyKeys, position }) => heavyKeys.journalled < position)) return true;
      this.told[key] = (this.told[key] as number) + units;
      return false;
    });
  }

  /**
   * Another process asks for units of a key and says what it has spent. What it has counts as spent. It asks
   * for no more at once than may be lent in all: more is lent for a single check and nothing beside it.
   */
  #borrow(key: number, wanted: number, spend: number): void {
    const main = this.#options.policies.policies.find(({ name }) => name === "main") as Policy;
    const need = Math.min(wanted, crashBudget(main).lentMax);
    const loan = this.#borrowed[key] as Borrowed;
    loan.spent = Math.min(loan.granted, loan.spent + spend);
    loan.id += 1;
    this.#describe(key);
    const row: BorrowRow = {
      policy: "main",
      high: this.#admission.highOf(KEY_DIMENSION) >>> 0,
      low: this.#admission.lowOf(KEY_DIMENSION) & 0xffff,
      id: loan.id,
      session: loan.session,
      spent: loan.spent,
      returned: 0,
      owed: 0,
      owedFrom: 0,
      least: need,
      need,
      want: need,
    };
    const moment = { nowUs: this.#now, monotonicUs: this.#now, epoch: 1, leaseLeftUs: Infinity };
    const lending = this.#admission.lending as Lending;
    const [grant] = lending.book.borrow({ shard: 0, holder: HOLDER, rows: [row] }, moment).rows;
    if (grant === undefined) return;
    const gained = Math.max(0, grant.granted - loan.granted);
    Object.assign(loan, { granted: grant.granted, session: grant.session });
    this.#answer(key, gained);
  }

  #write(bytes: number, fate: "acked" | "unheard" | "lost"): void {
    const journal = this.#journal;
    const pages = [...journal.takeDue(bytes)];
    const isSnapshot = this.#isSnapshotDue;
    if (isSnapshot) {
      journal.startSnapshot(false);
      for (
        let next = journal.nextSnapshotPages(bytes);
        next !== undefined;
        next = journal.nextSnapshotPages(bytes)
      )
        pages.push(...next);
    }
    if (fate !== "lost") this.#pages.push(...pages);
    if (fate !== "acked") {
      journal.lost();
      return;
    }
    journal.acked();
    if (isSnapshot) this.#isSnapshotDue = false;
    this.#release();
  }

  #adopt(limit: number, isOtherFirst: boolean): void {
    const revision = this.#options.policies.revision + 1;
    const policies = compilePolicies(documentOf(this.algorithm, limit, isOtherFirst), revision);
    this.#options = { ...this.#options, policies };
    this.#admission.adopt(policies);
    // What the host does then: the numbers of before are of no more use.
    this.#isSnapshotDue = true;
  }
}

function expectWithin(shard: Shard): void {
  const after = shard.admittedAfterCrash();
  for (const [key, units] of shard.told.entries())
    if (units + (after[key] as number) > shard.limitMost)
      expect.fail(`${KEYS[key]}: ${units} told, ${after[key]} after the crash, limit ${shard.limitMost}`);
}

describe.each(ALGORITHMS)("keys of %s in a journal", (algorithm) => {
  it("admit no more than the limit over a crash at any moment", () => {
    fc.assert(
      fc.property(fc.constantFrom(40, 100, 1_000), actions, (limit, list) => {
        const shard = new Shard(algorithm, limit);
        for (const action of list) {
          shard.run(action);
          expectWithin(shard);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("admit no more than the highest limit there was when policies change meanwhile", () => {
    fc.assert(
      fc.property(actions, fc.array(fc.tuple(fc.nat(60), changes), { maxLength: 4 }), (list, moments) => {
        const shard = new Shard(algorithm, 100);
        const all = [...list];
        for (const [at, change] of moments) all.splice(at, 0, change);
        for (const action of all) {
          shard.run(action);
          expectWithin(shard);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("hold nobody's answer once everything is written", () => {
    fc.assert(
      fc.property(fc.constantFrom(40, 100), actions, (limit, list) => {
        const shard = new Shard(algorithm, limit);
        for (const action of list) shard.run(action);
        expect(shard.settle()).toBe(0);
      }),
      { numRuns: 20 },
    );
  });
});
