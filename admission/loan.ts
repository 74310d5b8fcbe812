/**
 * What a home has lent of one key, and to whom: the ledger's granting side. Pure bookkeeping; when a row is
 * opened, charged or forgotten is up to loan-book.ts.
 *
 *      Loan (policy, key)      lent = Σ rows
 *        ├─ LoanRow  eu-1#…    lent = granted − spent − returned
 *        └─ LoanRow  eu-2#…
 */
import type { KeyQuota } from "../algorithms/key-census.ts";
import type { Due } from "./due-list.ts";
import type { LentTally } from "./lent-tally.ts";
import type { BorrowRow, Holder, Session } from "./loan-messages.ts";

/** A key of one policy and the shard that is its home. */
export interface LoanKey {
  readonly shard: number;
  readonly policyIndex: number;
  /** 32 and 16 bits of identity; higher bits of `low` are ignored. */
  readonly high: number;
  readonly low: number;
  /** Of the key's tenant; absent when nobody has told. */
  readonly quota?: KeyQuota | undefined;
}

export class Loan implements LoanKey {
  readonly shard: number;
  policyIndex: number;
  readonly high: number;
  readonly low: number;
  readonly quota: KeyQuota | undefined;
  readonly #tally: LentTally;
  #lent = 0;
  readonly rows = new Map<string, LoanRow>();
  /** Whether somebody was refused while others held units. */
  isRecallWanted = false;
  recalledUs = -Infinity;

  constructor(key: LoanKey, tally: LentTally) {
    this.shard = key.shard;
    this.policyIndex = key.policyIndex;
    this.high = key.high;
    this.low = key.low;
    this.quota = key.quota;
    this.#tally = tally;
  }

  /** Units lent to all holders: they count as charged. Invariant: the sum of the rows' `lent`. */
  get lent(): number {
    return this.#lent;
  }

  addLent(units: number): void {
    this.#lent += units;
    this.#tally.units += units;
  }

  /** These units are not ours any more, neither spent nor forfeited. */
  letGo(units: number): void {
    this.#tally.gone += units;
    this.addLent(-units);
  }

  /** Units beyond what the journal need not be told of (CrashBudget): a successor charges them. */
  reserved(lentMax: number): number {
    return Math.max(0, this.lent - lentMax);
  }
}

export class LoanRow implements Due {
  dueSlot = Infinity;
  readonly loan: Loan;
  readonly holder: Holder;
  session: Session;
  granted = 0;
  spent = 0;
  returned = 0;
  /** Invariant: granted − spent − returned, and ≥ 0 whatever the holder claims. */
  lent = 0;
  /** Highest count of units charged without rights that the holder has told. */
  owed = 0;
  /** The last message answered, and how much was granted for it. */
  lastId = 0;
  lastAmount = 0;
  /** Monotonic: when the holder was last heard. */
  heardUs: number;

  constructor(loan: Loan, holder: Holder, session: Session, heardUs: number) {
    this.loan = loan;
    this.holder = holder;
    this.session = session;
    this.heardUs = heardUs;
  }

  grant(units: number): void {
    this.granted += units;
    this.#addLent(units);
  }

  /** Takes over the holder's counters of this session. @returns units newly spent, to be charged */
  join(asked: Pick<BorrowRow, "spent" | "returned">): number {
    const spent = Math.max(0, asked.spent - this.spent);
    const returned = Math.max(0, asked.returned - this.returned);
    this.spent += spent;
    this.returned += returned;
    this.#addLent(-Math.min(this.lent, spent + returned));
    return spent;
  }

  /** @returns units newly charged without rights, to be charged here */
  joinOwed(asked: BorrowRow): number {
    const known = Math.max(this.owed, asked.owedFrom);
    this.owed = Math.max(known, asked.owed);
    return this.owed - known;
  }

  /** Ends the session. @returns units still lent, which nobody will account for any more: to be charged */
  forfeit(): number {
    const { lent } = this;
    this.#addLent(-lent);
    this.granted = 0;
    this.spent = 0;
    this.returned = 0;
    this.lastAmount = 0;
    return lent;
  }

  #addLent(units: number): void {
    this.lent += units;
    this.loan.addLent(units);
  }
}
