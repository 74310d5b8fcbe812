/**
 * Rights between this process and the others of its region: what it has lent as the home of keys, what it has
 * borrowed for the checks it decides, and what of its own keys is spoken for by checks that wait.
 *
 *      loan-book.ts  ── lent ──▶ counts as charged at home ◀── pending ── pending-charges.ts
 *      balances.ts   ── borrowed ──▶ spent here without asking
 */
import type { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import type { Micros } from "../core/units.ts";
import { Balances } from "./balances.ts";
import { LoanBook } from "./loan-book.ts";
import type { LoanHome } from "./loan-home.ts";
import type { Holder } from "./loan-messages.ts";
import { PendingCharges } from "./pending-charges.ts";
import type { PolicySet } from "./policy-set.ts";

export interface LendingOptions {
  /** Who this process is to those it borrows from. */
  readonly holder: Holder;
  readonly home: LoanHome;
  readonly policies: PolicySet;
  readonly nowUs: Micros;
}

export class Lending {
  readonly pending = new PendingCharges();
  readonly book: LoanBook;
  readonly balances: Balances;

  constructor({ holder, home, policies, nowUs }: LendingOptions) {
    this.book = new LoanBook({ home, policies, pending: this.pending, birthsFrom: nowUs });
    this.balances = new Balances({ holder, policies, numbersFrom: nowUs });
  }

  /** Units of a key that count as charged though they are not. */
  heldOf(policyIndex: number, high: number, low: number): number {
    return this.book.lentOf(policyIndex, high, low) + this.pending.pendingOf(policyIndex, high, low);
  }

  /** Of units held of a key: those that its journal need not know. @param limiter that has just looked at it */
  unreservedOf(held: number, limiter: KeyedLimiter, policyIndex: number, high: number, low: number): number {
    // Where it shares a bucket, what is reserved of it is none of the bucket's.
    return limiter.isAbout(high, low) ? held - this.book.reservedOf(policyIndex, high, low) : held;
  }

  /** Live members of the region. */
  set members(members: number) {
    this.book.members = members;
    this.balances.members = members;
  }

  /** Puts other policies in force; no check may be waiting. */
  adopt(policies: PolicySet): void {
    this.book.adopt(policies);
    this.balances.adopt(policies);
  }
}
