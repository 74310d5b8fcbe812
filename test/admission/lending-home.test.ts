import { describe, expect, it } from "vitest";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { Admission, type AdmissionOptions } from "../../admission/admission.ts";
import { Lending } from "../../admission/lending.ts";
import { LendingHome } from "../../admission/lending-home.ts";
import { NO_SESSION, type BorrowRow, type GrantRow } from "../../admission/loan-messages.ts";
import { compilePolicies } from "../../admission/policy-set.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import type { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { NOW_US } from "../actors/lone-shard-actor.ts";

const HOLDER = { member: "other", incarnation: 9 };
const KEY_PLACE = 1;
const POLICIES = `
version: 1
tenants: { acme: { keysMax: 1 } }
policies:
  - { name: per-key, dimension: key, algorithm: fixed-window, limit: 1000, window: 1d, onCrash: fresh }
`;

/** The same, where a crash is charged 50 units, of which 25 may be lent. */
const JOURNALLED = POLICIES.replace(", onCrash: fresh", "");

/** A home of one shard, and another process that borrows for checks that name users of its own. */
class Home {
  readonly admission: Admission;
  readonly lending: Lending;
  readonly #quotaless: boolean;
  #lastId = 0;

  constructor(isQuotaless = false, text = POLICIES) {
    const policies = compilePolicies(parsePolicyText(text, "test.yaml"));
    const budget = new MemoryBudget(Infinity);
    const options: AdmissionOptions = { shards: 1, secret: { high: 1, low: 2 }, policies, budget };
    this.#quotaless = isQuotaless;
    this.admission = new Admission(options);
    const { table } = this.admission;
    const home = new LendingHome(this.admission.table, this.admission.holds);
    this.lending = new Lending({ holder: HOLDER, home, policies, nowUs: micros(NOW_US) });
    this.admission.lending = this.lending;
    table.open(0, table.newKeys(0), true);
  }

  get keys(): number {
    return this.admission.table.keysOfPolicy(0);
  }

  borrow(tenant: string, key: string, units: number): GrantRow | undefined {
    return this.#tell(tenant, key, { need: units, spent: 0, session: NO_SESSION });
  }

  /** The same request once more. */
  again(tenant: string, key: string, units: number): GrantRow | undefined {
    this.#lastId -= 1;
    return this.borrow(tenant, key, units);
  }

  /** Gives units of a key back, and tells of it. */
  giveBack(tenant: string, key: string, granted: GrantRow, units: number): void {
    this.#tell(tenant, key, { need: 0, spent: 0, returned: units, session: granted.session });
  }

  /** Writes what is due into the journal. @returns what it says is reserved of a key; undefined: nothing about it */
  journalled(tenant: string, key: string): number | undefined {
    this.admission.describe(tenant, "", key);
    const high = this.admission.highOf(KEY_PLACE) >>> 0;
    const journal = this.admission.table.journalToWrite(0, micros(NOW_US));
    const reader = new StatePageReader();
    let reserved: number | undefined;
    for (const page of journal?.takeDue(1_000_000) ?? []) {
      reader.open(page);
      while (reader.next()) if (reader.high === high) reserved = reader.reserved;
    }
    journal?.acked();
    return reserved;
  }

  /** Whether an answer would have to wait for the journal now. */
  get isHeld(): boolean {
    const holds = this.admission.holds.splice(0);
    return holds.some(({ heavyKeys, position }) => heavyKeys.journalled < position);
  }

  /** Spends of keys never seen until the tenant may hold no more. */
  fillUp(tenant: string): void {
    for (let n = 0; n < 10_000 && this.admission.tenants.full().length === 0; n += 1) {
      this.spend(tenant, `invented-${n}`, 2);
    }
    expect(this.admission.tenants.full()).toMatchObject([{ tenant }]);
  }

  /** Borrows for a key, spends the units and tells of it. */
  spend(tenant: string, key: string, units: number): void {
    const granted = this.borrow(tenant, key, units);
    this.#tell(tenant, key, { need: 0, spent: units, session: granted?.session ?? NO_SESSION });
  }

  /** Tells of what was spent of a key, with rights and, over all sessions, without. */
  tell(tenant: string, key: string, granted: GrantRow, { spent = 0, owed = 0 }): void {
    this.#tell(tenant, key, { need: 0, spent, owed, session: granted.session });
  }

  remaining(tenant: string, key: string): number {
    return this.#peeked(tenant, key).remaining;
  }

  resetAfterS(tenant: string, key: string): number {
    return this.#peeked(tenant, key).resetAfterUs / US_PER_S;
  }

  #peeked(tenant: string, key: string): Verdict {
    this.admission.describe(tenant, "", key);
    this.admission.decide(0, micros(NOW_US));
    return this.admission.verdict;
  }

  #tell(
    tenant: string,
    key: string,
    row: Pick<BorrowRow, "need" | "spent" | "session"> & Partial<Pick<BorrowRow, "returned" | "owed">>,
  ) {
    this.admission.describe(tenant, "", key);
    const { quota } = this.admission.tenants.of(tenant);
    this.#lastId += 1;
    const asked: BorrowRow = {
      policy: "per-key",
      high: this.admission.highOf(KEY_PLACE) >>> 0,
      low: this.admission.lowOf(KEY_PLACE) & 0xffff,
      id: this.#lastId,
      returned: 0,
      owed: 0,
      owedFrom: 0,
      least: row.need,
      want: row.need,
      quota: this.#quotaless ? undefined : quota,
      ...row,
    };
    const moment = { nowUs: micros(NOW_US), monotonicUs: micros(NOW_US), epoch: 1, leaseLeftUs: US_PER_S };
    return this.lending.book.borrow({ shard: 0, holder: HOLDER, rows: [asked] }, moment).rows[0];
  }
}

describe("keys invented where another process decides", () => {
  it("share the tenant's bucket at home when it is full, and nobody else's keys do", () => {
    const home = new Home();
    home.fillUp("acme");
    const held = home.keys;
    for (let n = 0; n < 100; n += 1) home.spend("acme", `more-${n}`, 2);
    expect(home.keys).toBe(held + 1);
    expect(home.remaining("acme", "another")).toBe(1_000 - 200);
    for (let n = 0; n < 1_000; n += 1) home.spend("globex", `k${n}`, 3);
    expect(home.keys).toBe(held + 1 + 1_000);
    expect([0, 999].map((n) => home.remaining("globex", `k${n}`))).toEqual([997, 997]);
  });

  it("get slots from a borrower that does not say whose they are", () => {
    const home = new Home(true);
    for (let n = 0; n < 3_000; n += 1) home.spend("acme", `invented-${n}`, 2);
    expect(home.keys).toBe(3_000);
  });

  it("are still known for whose they are when the shard and its loans have moved", () => {
    const [giver, taker] = [new Home(), new Home()];
    giver.borrow("acme", "k", 5);
    taker.lending.book.importShard(0, giver.lending.book.exportShard(0), micros(NOW_US), micros(NOW_US));
    taker.fillUp("acme");
    taker.spend("acme", "more", 2);
    const held = taker.keys;
    // What is lent is forfeited, and charged to a key that has no slot here.
    taker.lending.book.holderDead(HOLDER, micros(NOW_US));
    expect(taker.keys).toBe(held);
    expect(taker.remaining("acme", "another")).toBe(1_000 - 2 - 5);
  });
});

it("charges what was spent without rights up to twice the capacity, and what was spent with them in full", () => {
  const home = new Home(
    false,
    POLICIES.replace("fixed-window, limit: 1000, window: 1d", "gcra, limit: 60, window: 60s"),
  );
  const granted = home.borrow("acme", "k", 50) as GrantRow;
  home.tell("acme", "k", granted, { owed: 100 });
  expect(home.resetAfterS("acme", "k")).toBe(100);
  home.tell("acme", "k", granted, { owed: 1e12 });
  expect(home.resetAfterS("acme", "k")).toBe(120);
  home.tell("acme", "k", granted, { owed: 1e12, spent: 50 });
  expect(home.resetAfterS("acme", "k")).toBe(170);
});

describe("what is reserved of a key", () => {
  it("is its own, also where it shares the tenant's bucket", () => {
    const home = new Home(false, JOURNALLED);
    home.fillUp("acme");
    home.spend("acme", "one-more", 2);
    while (home.admission.table.journal(0)?.isDue() === true) home.journalled("acme", "k");
    expect(home.isHeld).toBe(false);
    const held = home.keys;
    const granted = home.borrow("acme", "k", 300);
    expect([granted?.granted, home.isHeld]).toEqual([300, true]);
    expect(home.journalled("acme", "k")).toBe(275);
    home.giveBack("acme", "k", granted as GrantRow, 290);
    expect([home.isHeld, home.journalled("acme", "k"), home.keys]).toEqual([false, 0, held]);
  });

  it("must still be journalled when an operator has reset the key meanwhile", () => {
    const home = new Home(false, JOURNALLED);
    const granted = home.borrow("acme", "k", 300);
    expect([granted?.granted, home.isHeld]).toEqual([300, true]);
    home.admission.describe("acme", "", "k");
    expect(home.admission.forget(0, micros(NOW_US))).toBe(true);
    home.admission.holds.length = 0;
    expect(home.again("acme", "k", 300)).toEqual(granted);
    expect(home.isHeld).toBe(true);
    expect(home.journalled("acme", "k")).toBe(275);
    expect(home.again("acme", "k", 300)).toEqual(granted);
    expect(home.isHeld).toBe(false);
  });
});
