/**
 * How much to lend, and how the key stands: the arithmetic between a BORROW and its GRANT.
 *
 *      free = capacity − charged − lent − pending
 *
 *      least ≤ free:   amount = max( min(need, free), min(want, free / 2n) )        n members
 *      else:           nothing, and when `least` may fit
 *
 * `need` is what checks are waiting for, so it is lent while there is any; what goes beyond is a guess about
 * the future and bounded by guided self-scheduling: 1/(2n) of what is left, so that little is stranded in
 * one process while another refuses. Below 50 units of limit per member nothing is lent on a guess.
 *
 * Beyond `lentMax` in all (durability.ts) only what the first waiting check lacks is lent: each unit of that has
 * to be reserved in the journal first.
 */
import { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";
import type { AlgorithmName } from "../algorithms/algorithm.ts";
import type { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import { judgeBeside, unitsBeside } from "./held-units.ts";
import type { Loan, LoanRow } from "./loan.ts";
import { NO_SESSION, type BorrowRow, type GrantRow, type GrantStatus } from "./loan-messages.ts";
import type { PendingCharges } from "./pending-charges.ts";

/** A balance pays where checks are many times the members: below, most would have to ask anyway. */
const LIMIT_PER_MEMBER_MIN = 50;
/** When a holder may ask again that was refused for another reason than the limit. */
const UNLENT_RETRY_US = 50_000;

/** Whether checks borrow exactly what they need, and return at once what they did not use. */
export function isLentExactly(
  name: AlgorithmName,
  limit: number,
  capacity: number,
  members: number,
): boolean {
  // What waits in a queue is told its delay when it is lent: nothing may be lent in advance.
  return name === "leaky-queue" || Math.min(limit, capacity) < LIMIT_PER_MEMBER_MIN * members;
}

export class Lender {
  /** Live members of the region. */
  members = 1;
  readonly #pending: PendingCharges;
  readonly #verdict = new Verdict();

  constructor(pending: PendingCharges) {
    this.#pending = pending;
  }

  /**
   * Lends what a message asks for, as far as it fits, and notes the amount in the row.
   *
   * @param lentMax of the key, to all holders together, without a reservation
   */
  lend(row: LoanRow, asked: BorrowRow, limiter: KeyedLimiter, lentMax: number, nowUs: Micros): void {
    this.#evaluate(row.loan, limiter, 0, nowUs);
    const { remaining: free, limit } = this.#verdict;
    const { capacity, name } = limiter.algorithm;
    const isExact = isLentExactly(name, limit, capacity, this.members);
    const share = isExact ? 0 : Math.floor(free / (2 * this.members));
    const amount = Math.max(Math.min(asked.need, free), Math.min(asked.want, share));
    const roof = Math.max(lentMax - row.loan.lent, asked.least);
    row.lastAmount = asked.least <= Math.min(free, roof) ? Math.min(amount, roof) : 0;
    row.grant(row.lastAmount);
  }

  /** The answer to the last message of a row, also when it comes again. */
  answer(row: LoanRow, asked: BorrowRow, limiter: KeyedLimiter, nowUs: Micros): Omit<GrantRow, "validUs"> {
    const { loan, lastAmount } = row;
    const verdict = this.#verdict;
    const isRefused = lastAmount < asked.least;
    let deniedUnits = lastAmount >= asked.need ? 0 : isRefused ? asked.least : 1;
    let retryAfterUs = 0;
    if (deniedUnits > 0) {
      this.#evaluate(loan, limiter, deniedUnits, nowUs);
      retryAfterUs = verdict.retryAfterUs;
      // The same message again, and by now it would fit: the holder may ask anew.
      if (verdict.outcome === "allowed") deniedUnits = 0;
    }
    const delayUs = this.#delayUs(row, limiter, nowUs);
    this.#evaluate(loan, limiter, 0, nowUs);
    return {
      policy: asked.policy,
      high: asked.high,
      low: asked.low,
      id: asked.id,
      session: row.session,
      status: isRefused ? "refused" : "granted",
      granted: row.granted,
      limit: verdict.limit,
      remaining: verdict.remaining,
      deniedUnits,
      retryAfterUs,
      resetAfterUs: verdict.resetAfterUs,
      delayUs,
      beside: this.#heldOf(loan) - row.lent,
    };
  }

  /** Until everything ahead of the grant has left the queue. */
  #delayUs({ loan, lastAmount }: LoanRow, limiter: KeyedLimiter, nowUs: Micros): number {
    if (limiter.algorithm.name !== "leaky-queue" || lastAmount === 0) return 0;
    limiter.quota = loan.quota;
    limiter.evaluate(loan.high, loan.low, Math.max(0, loan.lent - lastAmount), nowUs, this.#verdict);
    return this.#verdict.resetAfterUs;
  }

  #evaluate(loan: Loan, limiter: KeyedLimiter, cost: number, nowUs: Micros): void {
    const { high, low } = loan;
    limiter.quota = loan.quota;
    const { capacity } = limiter.algorithm;
    const held = this.#heldOf(loan);
    limiter.evaluate(high, low, unitsBeside(held, cost, capacity), nowUs, this.#verdict);
    judgeBeside(held, cost, capacity, this.#verdict);
  }

  /** Units that count as charged though they are not. */
  #heldOf({ lent, policyIndex, high, low }: Loan): number {
    return lent + this.#pending.pendingOf(policyIndex, high, low);
  }
}

/** The answer to a holder for which no row is kept: it has nothing of this key, and nothing is lent. */
export function unlent(asked: BorrowRow, status: GrantStatus): Omit<GrantRow, "validUs"> {
  const isDenied = status !== "granted" && asked.least > 0;
  return {
    policy: asked.policy,
    high: asked.high,
    low: asked.low,
    id: asked.id,
    session: NO_SESSION,
    status,
    granted: 0,
    limit: 0,
    remaining: 0,
    deniedUnits: isDenied ? 1 : 0,
    retryAfterUs: isDenied ? UNLENT_RETRY_US : 0,
    resetAfterUs: 0,
    delayUs: 0,
    beside: isDenied ? 1 : 0,
  };
}
