import { describe, expect, it } from "vitest";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { Admission, type AdmissionOptions } from "../../admission/admission.ts";
import { Lending } from "../../admission/lending.ts";
import { LendingHome } from "../../admission/lending-home.ts";
import { NO_SESSION, type BorrowRow, type GrantRow } from "../../admission/loan-messages.ts";
import { compilePolicies } from "../../admission/policy-set.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
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

/** A home of one shard, and another process that borrows for checks that name users of its own. */
class Home {
  readonly admission: Admission;
  readonly lending: Lending;
  readonly #quotaless: boolean;
  #lastId = 0;

  constructor(isQuotaless = false) {
    const policies = compilePolicies(parsePolicyText(POLICIES, "test.yaml"));
    const budget = new MemoryBudget(Infinity);
    const options: AdmissionOptions = { shards: 1, secret: { high: 1, low: 2 }, policies, budget };
    this.#quotaless = isQuotaless;
    this.admission = Admission.whole(options);
    const home = new LendingHome(this.admission.table, this.admission.holds);
    this.lending = new Lending({ holder: HOLDER, home, policies, nowUs: micros(NOW_US) });
    this.admission.lending = this.lending;
  }

  get keys(): number {
    return this.admission.table.keysOfPolicy(0);
  }

  borrow(tenant: string, key: string, units: number): GrantRow | undefined {
    return this.#tell(tenant, key, { need: units, spent: 0, session: NO_SESSION });
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

  remaining(tenant: string, key: string): number {
    this.admission.describe(tenant, "", key);
    this.admission.decide(0, micros(NOW_US));
    return this.admission.verdict.remaining;
  }

  #tell(tenant: string, key: string, row: Pick<BorrowRow, "need" | "spent" | "session">) {
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
