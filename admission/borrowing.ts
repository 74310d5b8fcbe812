/**
 * When a balance says what to its home: the timing half of the holder's side (balances.ts).
 *
 *      a check waits, units come back, a recall    at once
 *      exact loans, usage without rights           within 20 ms of the last message, many keys in one
 *      below 30 % of the last lot                  at once, asynchronously: more units
 *      anything held or spent                      every 0.5 s, which also renews the lease
 *
 * A message is sent again, the same under the same id, 50 ms after it was sent and then ever more rarely,
 * at once when another check arrives. Its lease counts from when it was sent first.
 */
import type { Balance } from "./balance.ts";
import { isLentExactly } from "./lender.ts";
import { LOAN_UNITS_MAX, type BorrowRow } from "./loan-messages.ts";
import type { Policy } from "./policy.ts";

const REFRESH_US = 500_000;
/** What exact loans have spent stays charged as if it were spent again and again until it is reported. */
const EXACT_REPORT_US = 20_000;
const RESEND_US = 50_000;
const RESEND_MAX_US = 1_000_000;
/** By then the home has forfeited whatever it may have lent. */
const GIVE_UP_US = 10_000_000;
const IDLE_RETURN_US = 1_000_000;
const IDLE_FORGET_US = 5_000_000;
/** After a recall, or when nothing was to be had. */
const PREFETCH_PAUSE_US = 50_000;

interface BorrowingTally {
  /** Messages about a key; of these, those that ask for nothing; and messages sent once more. */
  asked: number;
  reports: number;
  resent: number;
  /** Units not spent in time. */
  expired: number;
  /** Balances whose home did not answer for 10 s. */
  givenUp: number;
}

export class Borrowing {
  /** Live members of the region. */
  members = 1;
  /** No check is decided here any more: nothing is kept for later, neither units nor an empty balance. */
  isLeaving = false;
  readonly #tally: BorrowingTally;
  #lastId: number;

  constructor(tally: BorrowingTally, idsFrom: number) {
    this.#tally = tally;
    this.#lastId = idsFrom;
  }

  #isExact(policy: Policy): boolean {
    const { algorithm, limit, burst = limit } = policy;
    return this.isLeaving || isLentExactly(algorithm, limit, burst, this.members);
  }

  /** Does what a balance needs now, and names the message to send. */
  attend(balance: Balance, policy: Policy, nowUs: number): BorrowRow | undefined {
    this.lapse(balance, nowUs);
    this.#giveBack(balance, policy, nowUs);
    if (balance.asked !== undefined) {
      const isWaitedFor = balance.queued > 0 && nowUs - balance.resentUs >= RESEND_US;
      return nowUs >= balance.resendUs || isWaitedFor
        ? this.#resend(balance, balance.asked, nowUs)
        : undefined;
    }
    return nowUs >= this.#messageDueUs(balance, policy) ? this.#ask(balance, policy, nowUs) : undefined;
  }

  /** Learns from an answer how much to ask for next time. */
  answered(balance: Balance, asked: BorrowRow, gained: number, nowUs: number): void {
    if (asked.want === 0) return;
    balance.want = gained < asked.want ? gained : Math.min(2 * gained, LOAN_UNITS_MAX);
    if (gained === 0) balance.prefetchUs = nowUs + PREFETCH_PAUSE_US;
  }

  /** Counts what has outlived its lease as given back. */
  lapse(balance: Balance, nowUs: number): void {
    if (balance.left === 0 || nowUs < balance.expiresUs) return;
    this.#tally.expired += balance.left;
    balance.unhold();
    balance.giveBack(balance.left);
  }

  /** When `attend` has to look again; undefined when the balance can be forgotten. */
  nextDueUs(balance: Balance, policy: Policy, nowUs: number): number | undefined {
    let dueUs = balance.left > 0 ? balance.expiresUs : Infinity;
    if (balance.asked !== undefined) return Math.min(dueUs, balance.resendUs);
    if (balance.left > balance.held) dueUs = Math.min(dueUs, balance.usedUs + IDLE_RETURN_US);
    dueUs = Math.min(dueUs, this.#messageDueUs(balance, policy));
    if (dueUs < Infinity || balance.reservations.size > 0) return Math.min(dueUs, nowUs + REFRESH_US);
    if (this.isLeaving) return undefined;
    const forgetUs = balance.usedUs + IDLE_FORGET_US;
    return nowUs < forgetUs ? forgetUs : undefined;
  }

  /** Whether the home has not answered for so long that it has no claim on us any more. */
  isGivenUp(balance: Balance, nowUs: number): boolean {
    return balance.asked !== undefined && nowUs - balance.askedUs >= GIVE_UP_US;
  }

  #giveBack(balance: Balance, policy: Policy, nowUs: number): void {
    const spare = balance.left - balance.held;
    if (spare === 0 || balance.queued > 0) return;
    const isIdle = nowUs - balance.usedUs >= IDLE_RETURN_US;
    if (!isIdle && !balance.isRecalled && !this.#isExact(policy)) return;
    balance.giveBack(spare);
    balance.want = 0;
    balance.prefetchUs = nowUs + PREFETCH_PAUSE_US;
  }

  /** When the home should hear of a balance with no message in flight; Infinity when it need not. */
  #messageDueUs(balance: Balance, policy: Policy): number {
    if (balance.queued > 0 || balance.isRecalled) return -Infinity;
    if (this.#isLow(balance, policy)) return balance.prefetchUs;
    const hasReturned = balance.returned > balance.reportedReturned;
    if (hasReturned || balance.owed > balance.owedFrom) return balance.askedUs + EXACT_REPORT_US;
    if (balance.spent > balance.reportedSpent)
      return balance.askedUs + (this.#isExact(policy) ? EXACT_REPORT_US : REFRESH_US);
    return balance.left > 0 ? balance.askedUs + REFRESH_US : Infinity;
  }

  /** Whether more should be asked for in advance. */
  #isLow(balance: Balance, policy: Policy): boolean {
    return balance.want > 0 && balance.isLow && !this.#isExact(policy);
  }

  #ask(balance: Balance, policy: Policy, nowUs: number): BorrowRow {
    const { least, all } = balance.missing();
    const need = Math.min(all, LOAN_UNITS_MAX);
    const isMore = need > 0 || (this.#isLow(balance, policy) && nowUs >= balance.prefetchUs);
    this.#lastId += 1;
    const asked: BorrowRow = {
      policy: policy.name,
      high: balance.high >>> 0,
      low: balance.low & 0xffff,
      quota: balance.quota,
      id: this.#lastId,
      session: balance.session,
      spent: balance.spent,
      returned: balance.returned,
      owed: balance.owed,
      owedFrom: balance.owedFrom,
      least: Math.min(least, LOAN_UNITS_MAX),
      need,
      want: isMore && !this.#isExact(policy) ? Math.max(need, balance.want) : need,
    };
    balance.asked = asked;
    balance.askedUs = nowUs;
    balance.leaseFromUs = nowUs;
    balance.resentUs = nowUs;
    balance.resends = 0;
    balance.resendUs = nowUs + RESEND_US;
    balance.isRecalled = false;
    this.#tally.asked += 1;
    if (asked.want === 0) this.#tally.reports += 1;
    return asked;
  }

  #resend(balance: Balance, asked: BorrowRow, nowUs: number): BorrowRow {
    balance.resends += 1;
    balance.resentUs = nowUs;
    balance.resendUs = nowUs + Math.min(RESEND_US * 2 ** balance.resends, RESEND_MAX_US);
    this.#tally.resent += 1;
    return asked;
  }
}
