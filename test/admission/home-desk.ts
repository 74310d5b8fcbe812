/** A home of one key whose loan book can be asked by hand. Its policy is of a limit of 1,000 unless one wishes. */
import { LoanBook } from "../../admission/loan-book.ts";
import type { BorrowRow, GrantRow } from "../../admission/loan-messages.ts";
import type { LoanKey } from "../../admission/loan.ts";
import { PendingCharges } from "../../admission/pending-charges.ts";
import { compilePolicies, type PolicySet } from "../../admission/policy-set.ts";
import type { Policy } from "../../admission/policy.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S } from "../../core/units.ts";

export const SHARD = 4;
export const KEY = { policy: "shared", high: 0xdeadbeef, low: 9 };
export const A = { member: "a", incarnation: 1 };
export const B = { member: "b", incarnation: 2 };
export const NONE = { epoch: 0, birth: 0 };

export function policies(...shared: Partial<Policy>[]): PolicySet {
  return compilePolicies({
    plans: new Map(),
    policies: shared.map((wish) => ({
      name: "shared",
      dimension: "org",
      match: {},
      onFailure: "deny",
      algorithm: "fixed-window",
      limit: 1_000,
      windowUs: micros(3_600 * US_PER_S),
      // Nothing is journalled, so nothing of a crash bounds what is lent.
      onCrash: "fresh",
      ...wish,
    })),
  });
}

/** A home of one key, and what its holders say to it. */
export class HomeDesk {
  readonly pending = new PendingCharges();
  limiter: KeyedLimiter;
  book: LoanBook;
  nowUs = 1_700_000_000 * US_PER_S;
  leaseLeftUs = 1_900_000;
  charged = 0;
  isOpen = true;
  /** What the home is told of reservations. */
  readonly reservations: string[] = [];

  constructor(wish: Partial<Policy> = {}, rowsMax = 10) {
    const set = policies(wish);
    this.limiter = new KeyedLimiter(createAlgorithm(set.policies[0] as Policy));
    this.book = this.newBook(set, rowsMax);
    this.book.members = 2;
  }

  newBook(set: PolicySet, rowsMax = 10): LoanBook {
    const home = {
      limiterOf: () => (this.isOpen ? this.limiter : undefined),
      charge: ({ high, low }: LoanKey, units: number) => {
        this.charged += units;
        this.limiter.charge(high, low, units, micros(this.nowUs));
      },
      granting: (_: LoanKey, reserved: number, raised: number) =>
        this.reservations.push(`${reserved}, ${raised} more`),
      lowered: (_: LoanKey, reserved: number) => this.reservations.push(`${reserved}, less`),
    };
    return new LoanBook({ home, policies: set, pending: this.pending, birthsFrom: 0, rowsMax });
  }

  get lent(): number {
    return this.book.lentOf(0, KEY.high, KEY.low);
  }

  get remaining(): number {
    const verdict = new Verdict();
    this.limiter.evaluate(KEY.high, KEY.low, 0, micros(this.nowUs), verdict);
    return verdict.remaining;
  }

  ask(holder: typeof A, row: Partial<BorrowRow> & { id: number }, epoch = 50): GrantRow | undefined {
    const need = row.need ?? row.least ?? 0;
    const asked = {
      ...KEY,
      session: NONE,
      spent: 0,
      returned: 0,
      owed: 0,
      owedFrom: 0,
      least: Math.min(1, need),
      need,
      want: need,
      ...row,
    };
    const { nowUs, leaseLeftUs } = this;
    const moment = { nowUs: micros(nowUs), monotonicUs: micros(nowUs), epoch, leaseLeftUs };
    return this.book.borrow({ shard: SHARD, holder, rows: [asked] }, moment).rows[0];
  }

  /** The same with the counters of a session. */
  report(holder: typeof A, grant: GrantRow | undefined, row: Partial<BorrowRow> & { id: number }) {
    return this.ask(holder, { session: grant?.session ?? NONE, ...row });
  }

  /** Lets time pass in ticks. */
  pass(us: number): string[] {
    const recalls: string[] = [];
    for (const endUs = this.nowUs + us; this.nowUs < endUs;) {
      this.nowUs = Math.min(endUs, this.nowUs + 10_000);
      this.book.tick(micros(this.nowUs), micros(this.nowUs));
      for (const { holder } of this.book.takeRecalls(micros(this.nowUs))) recalls.push(holder.member);
    }
    return recalls;
  }
}
