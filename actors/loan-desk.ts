/**
 * Rights on loan, as messages: what this process borrows and is asked to give back, what it lends and calls
 * back (admission/lending.ts).
 *
 *      parl.shard.<p>.borrow ─▶ lend ─▶ parl.member.<holder>.grant
 *      parl.member.<us>.grant | .recall ─▶ hear
 */
import type { Lending } from "../admission/lending.ts";
import {
  decodeBorrow,
  decodeGrant,
  decodeRecall,
  encodeBorrow,
  encodeGrant,
  encodeRecall,
} from "../admission/loan-messages.ts";
import type { LoanMoment } from "../admission/loan-home.ts";
import type { Micros } from "../core/units.ts";
import type { Outbox } from "./actor.ts";
import type { LoanMessage } from "./shard-event.ts";
import { hasLaterOwner } from "./shard-moved.ts";
import { borrowSubject, loanSubject } from "./subjects.ts";

/** An answer to a holder that has asked. */
export interface Grant {
  readonly member: string;
  readonly payload: Uint8Array;
}

export class LoanDesk {
  readonly #lending: Lending;

  constructor(lending: Lending) {
    this.#lending = lending;
  }

  /**
   * Books what a holder tells and lends what it asks for, as the home of a shard.
   *
   * @returns undefined when there is nothing to say
   * @throws ParlError PARL_MALFORMED, PARL_UNSUPPORTED_VERSION; PARL_NOT_OWNER when the holder has an answer of a
   *   later owner; nothing of the message counts then
   */
  lend(shard: number, payload: Uint8Array, moment: LoanMoment): Grant | undefined {
    const frame = decodeBorrow(payload);
    const latest = Math.max(0, ...frame.rows.map(({ session }) => session.epoch));
    if (latest > moment.epoch) throw hasLaterOwner(latest, moment.epoch);
    const grants = this.#lending.book.borrow({ ...frame, shard }, moment);
    if (grants.rows.length === 0) return undefined;
    return { member: frame.holder.member, payload: encodeGrant(grants) };
  }

  /** Takes in what a home says. @throws ParlError PARL_MALFORMED, PARL_UNSUPPORTED_VERSION */
  hear({ kind, payload }: LoanMessage, nowUs: Micros): void {
    const { balances } = this.#lending;
    if (kind === "grant") balances.answer(decodeGrant(payload), nowUs);
    else balances.recall(decodeRecall(payload), nowUs);
  }

  tick(nowUs: Micros): void {
    this.#lending.book.tick(nowUs, nowUs);
    this.#lending.balances.tick(nowUs);
  }

  /** What homes have to hear of their keys, and holders of ours. */
  send(nowUs: Micros, outbox: Outbox): void {
    const { book, balances } = this.#lending;
    for (const frame of balances.takeMessages(nowUs)) {
      outbox.send(borrowSubject(frame.shard), encodeBorrow(frame), "");
    }
    for (const frame of book.takeRecalls(nowUs)) {
      outbox.send(loanSubject(frame.holder.member, "recall"), encodeRecall(frame), "");
    }
  }
}
