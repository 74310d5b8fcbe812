/** A holder of one key's rights without runtime or network, and what its home answers, step by step. */
import { expect } from "vitest";
import { Balances } from "../../admission/balances.ts";
import type { BorrowRow, GrantRow } from "../../admission/loan-messages.ts";
import { compilePolicies, type PolicySet } from "../../admission/policy-set.ts";
import type { Policy } from "../../admission/policy.ts";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S } from "../../core/units.ts";

export const HOLDER = { member: "a", incarnation: 1 };
export const SHARED_KEY = { shard: 4, policyIndex: 0, high: 0xdeadbeef, low: 9 };
export const SESSION = { epoch: 50, birth: 1 };
export const OWNER = {};

export function policiesShared(...shared: Partial<Policy>[]): PolicySet {
  return compilePolicies({
    plans: new Map(),
    policies: shared.map((wish) => ({
      name: "shared",
      dimension: "org",
      match: {},
      onFailure: "deny",
      algorithm: "gcra",
      limit: 1_000,
      windowUs: micros(US_PER_S),
      ...wish,
    })),
  });
}

export class HolderDesk {
  readonly balances: Balances;
  readonly verdict = new Verdict();
  nowUs = 5_000_000;
  granted = 0;

  constructor(wish: Partial<Policy> = {}, rowsMax = 10) {
    this.balances = new Balances({
      holder: HOLDER,
      policies: policiesShared(wish),
      numbersFrom: 100,
      rowsMax,
    });
    this.balances.members = 2;
  }

  get balance() {
    const balance = this.balances.open(SHARED_KEY, this.now);
    if (balance === undefined) throw new Error("no room");
    return balance;
  }

  get now() {
    return micros(this.nowUs);
  }

  look(cost: number): string {
    const balance = this.balances.find(0, SHARED_KEY.high, SHARED_KEY.low);
    return this.balances.look(balance, 0, cost, this.now, this.verdict);
  }

  /** Checks, without waiting: spends when covered. */
  check(cost: number): string {
    const standing = this.look(cost);
    if (standing === "covered") this.balances.spend(this.balance, cost, this.now);
    return standing;
  }

  reserve(cost: number) {
    return this.balances.reserve(this.balance, cost, OWNER, this.now);
  }

  /** The row to be sent now, if any. */
  sent(): BorrowRow | undefined {
    const frames = this.balances.takeMessages(this.now);
    expect(frames.flatMap(({ rows }) => rows).length).toBeLessThanOrEqual(1);
    return frames[0]?.rows[0];
  }

  /** Lets time pass in ticks; the rows sent meanwhile, by when. */
  pass(us: number): [number, BorrowRow][] {
    const sent: [number, BorrowRow][] = [];
    const startUs = this.nowUs;
    while (this.nowUs < startUs + us) {
      this.nowUs = Math.min(startUs + us, this.nowUs + 10_000);
      this.balances.tick(this.now);
      const row = this.sent();
      if (row !== undefined) sent.push([this.nowUs - startUs, row]);
    }
    return sent;
  }

  answer(asked: BorrowRow | undefined, wish: Partial<GrantRow> = {}): void {
    const { policy, high, low, id } = asked as BorrowRow;
    const row: GrantRow = {
      policy,
      high,
      low,
      id,
      session: SESSION,
      status: "granted",
      granted: this.granted,
      limit: 1_000,
      remaining: 300,
      deniedUnits: 0,
      retryAfterUs: 0,
      resetAfterUs: 80_000,
      delayUs: 0,
      validUs: Infinity,
      beside: 0,
      ...wish,
    };
    this.granted = row.granted;
    this.balances.answer({ shard: SHARED_KEY.shard, holder: HOLDER, rows: [row] }, this.now);
  }

  /** Borrows for a check that waits, and spends its cost. */
  borrow(cost: number, granted: number, wish: Partial<GrantRow> = {}): void {
    const reservation = this.reserve(cost);
    this.answer(this.sent(), { granted, ...wish });
    expect(reservation.state).toBe("held");
    expect(this.balances.takeSettled()).toEqual([reservation]);
    this.balances.release(reservation);
    expect(this.check(cost)).toBe("covered");
  }

  /** Sends what there is to say, and has it confirmed. */
  settle(): void {
    const row = this.sent();
    if (row !== undefined) this.answer(row);
  }
}
