/**
 * The loan book: what this process, as the home of keys, has lent to other processes that decide checks.
 * One per process. The holder's side is balances.ts.
 *
 *      holder                                home
 *      BORROW spent, returned, least… ──▶    charge Δspent; lent −= Δspent + Δreturned
 *                                            evaluate on top of all that is lent
 *      balance += Δgranted          ◀── GRANT granted, remaining, …     lent += amount
 *
 * Units lent count as charged from the moment of the grant, so `charged + lent ≤ capacity` whenever it did
 * before. A report turns lent into charged, a return only shrinks lent. What was spent by a moment b is either
 * charged by b or still lent at b, therefore every algorithm's own bound holds for the sum of all processes;
 * a late report charges later than the units were spent, which admits less, never more.
 *
 * Whatever is lent when a session ends — the holder was declared dead, was not heard for 5 s, forgot its
 * counters — is charged: forfeited, never minted again. A holder spends nothing 1.5 s after the sending of
 * the last message we answered, and only for as long as we could promise to remain the home (`validUs`).
 *
 * What a crash of this home costs anyway covers `lentMax` of a key (durability.ts). What a single check lacks
 * beyond that is lent too, and reserved: the journal holds it before the grant goes out, and a successor charges
 * it. It ends with the loan, spent or returned, and the journal is told without haste.
 *
 * Cost on the hot path: `lentOf` of an empty book is one comparison.
 */
import type { Micros } from "../core/units.ts";
import type { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import { crashBudget } from "./durability.ts";
import { DueList } from "./due-list.ts";
import { KeyMap } from "./key-map.ts";
import { Lender, unlent } from "./lender.ts";
import { LentTally } from "./lent-tally.ts";
import type { LoanHome, LoanMoment } from "./loan-home.ts";
import { Loan, LoanRow, type LoanKey } from "./loan.ts";
import {
  isSameSession,
  type BorrowFrame,
  type BorrowRow,
  type GrantFrame,
  type GrantRow,
  type Holder,
  type RecallFrame,
} from "./loan-messages.ts";
import { readLoanRows, writeLoanRows, type LoanRowRecord } from "./loan-rows.ts";
import type { PendingCharges } from "./pending-charges.ts";
import { isLowered, policyIndices, policyMoves } from "./policy-moves.ts";
import type { PolicySet } from "./policy-set.ts";
import { Recalls } from "./recalls.ts";
import type { Reservations } from "./reservations.ts";
import { RowShares } from "./row-shares.ts";

/** Rows held, of all tenants together (row-shares.ts); beyond that nothing more is lent. Some 600 bytes each. */
const ROWS_MAX = 100_000;
/** A holder that has anything reports every 0.5 s: one not heard for this long is asked what it has left … */
const UNHEARD_RECALL_US = 2_500_000;
const UNHEARD_AGAIN_US = 500_000;
/** … and after this long, far beyond the 1.5 s for which it may spend, its units are forfeited. */
const UNHEARD_FORFEIT_US = 5_000_000;
/** A row without anything lent is remembered for this long, so that late messages are told apart. */
const IDLE_FORGET_US = 10_000_000;
/** Dead holders: late messages of this many are still known for what they are. */
const DEAD_REMEMBERED = 1_024;

export interface LoanBookOptions {
  readonly home: LoanHome;
  readonly policies: PolicySet;
  readonly pending: PendingCharges;
  /**
   * Sessions are numbered from here. A book made anew within one process must start above all earlier ones
   * (the wall clock in microseconds will do), or its sessions could be mistaken for theirs.
   */
  readonly birthsFrom: number;
  readonly rowsMax?: number;
}

export class LoanBook implements Reservations {
  readonly tally = new LentTally();

  readonly #home: LoanHome;
  readonly #lender: Lender;
  readonly #shares: RowShares;
  #policies: PolicySet;
  #indices: ReadonlyMap<string, number>;
  /** Units of a key that may be lent without a reservation, by policy index. */
  #lentMax: readonly number[];
  #hasReserved = false;
  readonly #loans = new KeyMap<Loan>();
  readonly #byHolder = new Map<string, Set<LoanRow>>();
  readonly #dead = new Set<string>();
  readonly #due = new DueList<LoanRow>();
  readonly #recalls = new Recalls();
  #births: number;

  constructor(options: LoanBookOptions) {
    this.#home = options.home;
    this.#policies = options.policies;
    this.#indices = policyIndices(options.policies);
    this.#lentMax = lentMaxOf(options.policies);
    this.#lender = new Lender(options.pending);
    this.#shares = new RowShares(options.rowsMax ?? ROWS_MAX);
    this.#births = options.birthsFrom;
    this.#home.reserving?.(this);
  }

  /** Live members of the region: among so many the rights of a key are shared. */
  set members(members: number) {
    this.#lender.members = members;
  }

  /** Units of a key that are lent to other processes: to be evaluated as if charged. */
  lentOf(policyIndex: number, high: number, low: number): number {
    if (this.#loans.size === 0) return 0;
    return this.#loans.find(policyIndex, high, low)?.lent ?? 0;
  }

  get hasReserved(): boolean {
    return this.#hasReserved;
  }

  reservedOf(policyIndex: number, high: number, low: number): number {
    if (!this.#hasReserved) return 0;
    const loan = this.#loans.find(policyIndex, high, low);
    return loan === undefined ? 0 : this.#reservedBy(loan);
  }

  reservedKeys(shard: number): LoanKey[] {
    if (!this.#hasReserved) return [];
    return [...this.#loans.values()].filter((loan) => loan.shard === shard && this.#reservedBy(loan) > 0);
  }

  /** Says that a check was refused here although units of its key are lent. */
  wantRecall(policyIndex: number, high: number, low: number): void {
    const loan = this.#loans.find(policyIndex, high, low);
    if (loan !== undefined) this.#recalls.want(loan);
  }

  /** Answers every row of a message. No rows in the answer: nothing to send. */
  borrow({ shard, holder, rows }: BorrowFrame, moment: LoanMoment): GrantFrame {
    const grants: GrantRow[] = [];
    const isDead = this.#dead.has(holderName(holder));
    if (isDead) this.tally.fromDead += 1;
    if (isDead || moment.leaseLeftUs <= 0) return { shard, holder, rows: grants };
    for (const asked of rows) {
      const grant = this.#answer(shard, holder, asked, moment);
      if (grant !== undefined) grants.push({ ...grant, validUs: moment.leaseLeftUs });
    }
    return { shard, holder, rows: grants };
  }

  /** Charges everything lent to a member that was declared dead; its messages are not heard any more. */
  holderDead(holder: Holder, nowUs: Micros): void {
    const name = holderName(holder);
    this.#dead.add(name);
    if (this.#dead.size > DEAD_REMEMBERED) {
      for (const oldest of this.#dead) {
        this.#dead.delete(oldest);
        break;
      }
    }
    for (const row of this.#byHolder.get(name) ?? []) this.#drop(row, nowUs);
  }

  /** Looks after rows that were not heard for long. The host calls it every 10 ms or so. */
  tick(nowUs: Micros, monotonicUs: Micros): void {
    for (const row of this.#due.take(monotonicUs)) {
      const unheardUs = monotonicUs - row.heardUs;
      if (unheardUs >= (row.lent > 0 ? UNHEARD_FORFEIT_US : IDLE_FORGET_US)) {
        this.#drop(row, nowUs);
        continue;
      }
      const isMissed = row.lent > 0 && unheardUs >= UNHEARD_RECALL_US;
      if (isMissed) {
        this.#recalls.want(row.loan);
        this.#due.schedule(row, Math.min(monotonicUs + UNHEARD_AGAIN_US, row.heardUs + UNHEARD_FORFEIT_US));
      } else {
        this.#schedule(row);
      }
    }
  }

  /** The recalls that are due, one message for each holder and shard; call it after every step. */
  takeRecalls(monotonicUs: Micros): RecallFrame[] {
    const frames = this.#recalls.take(monotonicUs, (index) => this.#policies.policies[index]?.name ?? "");
    for (const { rows } of frames) this.tally.recalls += rows.length;
    return frames;
  }

  /** Puts other policies in force: rows follow their policy's name; what exceeds a lowered limit is recalled. */
  adopt(policies: PolicySet): void {
    const before = this.#policies;
    const moves = policyMoves(before, policies);
    for (const loan of this.#loans.remap((index) => moves[index] ?? -1)) {
      for (const row of loan.rows.values()) this.#unlist(row);
      loan.letGo(loan.lent);
      this.#recalls.forget(loan);
    }
    for (const loan of this.#loans.values()) {
      const index = moves[loan.policyIndex] as number;
      if (isLowered(before.policies[loan.policyIndex], policies.policies[index])) this.#recalls.want(loan);
      loan.policyIndex = index;
    }
    this.#policies = policies;
    this.#indices = policyIndices(policies);
    this.#lentMax = lentMaxOf(policies);
    for (const loan of this.#loans.values()) this.#reservedBy(loan);
  }

  /** The rows of a shard, for its next owner (`importShard`). */
  exportShard(shard: number): Uint8Array {
    const records: LoanRowRecord[] = [];
    for (const row of this.#rowsOf(shard)) {
      const { policyIndex, high, low, quota } = row.loan;
      const policy = this.#policies.policies[policyIndex]?.name;
      if (policy !== undefined) records.push({ policy, high, low, quota, row });
    }
    return writeLoanRows(records);
  }

  /**
   * Takes over the rows of a shard from its last owner. Holders may spend until 1.5 s after its last answer,
   * so this process must be the home for at least as long: have a lease with 1.5 s left.
   *
   * @throws ParlError PARL_MALFORMED or PARL_UNSUPPORTED_VERSION; no row counts then
   */
  importShard(shard: number, bytes: Uint8Array, nowUs: Micros, monotonicUs: Micros): void {
    const records = readLoanRows(bytes);
    this.dropShard(shard);
    for (const { policy, high, low, quota, row: from } of records) {
      const policyIndex = this.#indices.get(policy);
      if (policyIndex === undefined) continue;
      const row = this.#open(
        { shard, policyIndex, high, low, quota },
        from.holder,
        from.session,
        monotonicUs,
      );
      row.grant(from.granted);
      row.join(from);
      this.tally.arrived += row.lent;
      row.owed = from.owed;
      row.lastId = from.lastId;
      row.lastAmount = from.lastAmount;
      this.#reservedBy(row.loan);
      this.#schedule(row);
      if (this.#dead.has(holderName(from.holder))) this.#drop(row, nowUs);
    }
  }

  /** Charges everything lent of a shard that is left in order: its next owner charges nothing for a crash. */
  forfeitShard(shard: number, nowUs: Micros): void {
    for (const row of this.#rowsOf(shard)) this.#drop(row, nowUs);
  }

  /** Forgets the rows of a shard that is not open here any more. */
  dropShard(shard: number): void {
    for (const row of this.#rowsOf(shard)) this.#forget(row);
  }

  #answer(
    shard: number,
    holder: Holder,
    asked: BorrowRow,
    moment: LoanMoment,
  ): Omit<GrantRow, "validUs"> | undefined {
    const policyIndex = this.#indices.get(asked.policy);
    if (policyIndex === undefined) return unlent(asked, "unknown");
    const limiter = this.#home.limiterOf(shard, policyIndex, moment.nowUs);
    if (limiter === undefined) return undefined;
    let row = this.#loans.find(policyIndex, asked.high, asked.low)?.rows.get(holderName(holder));
    if (row === undefined) {
      const isReport = asked.want === 0 && asked.owed === asked.owedFrom;
      if (isReport) return unlent(asked, "granted");
      if (!this.#shares.hasRoom(asked.quota)) {
        this.tally.full += 1;
        return unlent(asked, "full");
      }
      const { high, low, quota } = asked;
      const key = { shard, policyIndex, high, low, quota };
      row = this.#open(key, holder, this.#newSession(moment), moment.monotonicUs);
    } else if (asked.id < row.lastId) {
      this.tally.stale += 1;
      return undefined;
    }
    row.heardUs = moment.monotonicUs;
    const before = this.#reservedBy(row.loan);
    if (asked.id > row.lastId) this.#take(row, asked, limiter, moment);
    const reserved = this.#reservedBy(row.loan);
    if (row.lastAmount > 0)
      this.#home.granting?.(row.loan, reserved, Math.max(0, reserved - before), moment.nowUs);
    if (reserved < before) this.#home.lowered?.(row.loan, reserved, moment.nowUs);
    const grant = this.#lender.answer(row, asked, limiter, moment.nowUs);
    if (grant.deniedUnits > 0 && row.loan.lent > row.lent) this.#recalls.want(row.loan);
    return grant;
  }

  /** Books what a new message says, and lends what it asks for. */
  #take(row: LoanRow, asked: BorrowRow, limiter: KeyedLimiter, moment: LoanMoment): void {
    const { loan } = row;
    if (isSameSession(asked.session, row.session)) {
      const returned = row.returned;
      const spent = row.join(asked);
      this.tally.spent += spent;
      this.tally.returned += row.returned - returned;
      this.#charge(loan, spent, moment.nowUs);
    } else {
      // It has forgotten its counters, or we have: what it still held of this session is nobody's any more.
      this.#forfeit(row, moment.nowUs);
      if (row.lastId > 0) row.session = this.#newSession(moment);
    }
    this.#charge(loan, row.joinOwed(asked), moment.nowUs, true);
    row.lastId = asked.id;
    this.#lender.lend(row, asked, limiter, this.#lentMax[loan.policyIndex] as number, moment.nowUs);
    this.tally.granted += row.lastAmount;
    if (row.lent > 0) this.#schedule(row);
  }

  #charge(loan: Loan, units: number, nowUs: Micros, isOwed = false): void {
    if (units > 0) this.#home.charge(loan, units, nowUs, isOwed);
  }

  #forfeit(row: LoanRow, nowUs: Micros): void {
    const units = row.forfeit();
    this.tally.forfeited += units;
    this.#charge(row.loan, units, nowUs);
  }

  #drop(row: LoanRow, nowUs: Micros): void {
    const before = this.#reservedBy(row.loan);
    this.#forfeit(row, nowUs);
    const reserved = this.#reservedBy(row.loan);
    if (reserved < before) this.#home.lowered?.(row.loan, reserved, nowUs);
    this.#forget(row);
  }

  #reservedBy(loan: Loan): number {
    const reserved = loan.reserved(this.#lentMax[loan.policyIndex] as number);
    if (reserved > 0) this.#hasReserved = true;
    return reserved;
  }

  *#rowsOf(shard: number): Generator<LoanRow> {
    for (const loan of this.#loans.values()) if (loan.shard === shard) yield* loan.rows.values();
  }

  #newSession({ epoch }: LoanMoment): { epoch: number; birth: number } {
    this.#births += 1;
    return { epoch, birth: this.#births };
  }

  #open(key: LoanKey, holder: Holder, session: LoanRow["session"], monotonicUs: Micros): LoanRow {
    let loan = this.#loans.find(key.policyIndex, key.high, key.low);
    if (loan === undefined) {
      loan = new Loan(key, this.tally);
      this.#loans.set(key.policyIndex, key.high, key.low, loan);
    }
    const name = holderName(holder);
    const row = new LoanRow(loan, holder, session, monotonicUs);
    loan.rows.set(name, row);
    const rows = this.#byHolder.get(name);
    if (rows === undefined) this.#byHolder.set(name, new Set([row]));
    else rows.add(row);
    this.#shares.take(loan.quota);
    this.tally.rows += 1;
    this.#schedule(row);
    return row;
  }

  #forget(row: LoanRow): void {
    const { loan } = row;
    this.#unlist(row);
    loan.rows.delete(holderName(row.holder));
    loan.letGo(row.lent);
    if (loan.rows.size > 0) return;
    this.#recalls.forget(loan);
    this.#loans.delete(loan.policyIndex, loan.high, loan.low);
  }

  /** Takes a row off the lists that go across loans. */
  #unlist(row: LoanRow): void {
    const name = holderName(row.holder);
    const rows = this.#byHolder.get(name);
    rows?.delete(row);
    if (rows?.size === 0) this.#byHolder.delete(name);
    this.#due.remove(row);
    this.#shares.give(row.loan.quota);
    this.tally.rows -= 1;
  }

  #schedule(row: LoanRow): void {
    this.#due.schedule(row, row.heardUs + (row.lent > 0 ? UNHEARD_RECALL_US : IDLE_FORGET_US));
  }
}

function lentMaxOf({ policies }: PolicySet): number[] {
  return policies.map((policy) => crashBudget(policy).lentMax);
}

function holderName({ member, incarnation }: Holder): string {
  return `${member}#${incarnation}`;
}
