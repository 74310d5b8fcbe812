/**
 * What a holder knows of one key that it borrows of, and what it says: as little as the home can tell apart.
 * One message is under way at a time, and it is the same until it is answered.
 */
import {
  isSameSession,
  NO_SESSION,
  type BorrowRow,
  type GrantRow,
  type Holder,
  type Session,
} from "../../admission/loan-messages.ts";
import { US_PER_MS } from "../../core/units.ts";

/** Nothing is spent later than this after the sending of the last message that was answered. */
const LEASE_US = 1_500 * US_PER_MS;

/** What a holder spends, gives back of the rest, and needs for one check more. */
export interface Wish {
  readonly spend: number;
  readonly giveBack: number;
  readonly need: number;
}

export class ModelledHolder {
  readonly holder: Holder;
  asked: BorrowRow | undefined;
  expiresUs = 0;
  #id = 0;
  #session: Session = NO_SESSION;
  #granted = 0;
  #spent = 0;
  #returned = 0;
  #askedUs = 0;

  constructor(incarnation: number) {
    this.holder = { member: "other", incarnation };
  }

  leftAt(nowUs: number): number {
    return nowUs < this.expiresUs ? this.#granted - this.#spent - this.#returned : 0;
  }

  /** @returns units spent; none while a message is under way */
  say(key: { high: number; low: number }, { spend, giveBack, need }: Wish, nowUs: number): number {
    if (this.asked !== undefined) return 0;
    const spent = Math.min(spend, this.leftAt(nowUs));
    this.#spent += spent;
    this.#returned += Math.min(giveBack, this.leftAt(nowUs));
    // What has outlived its lease is given back too.
    if (nowUs >= this.expiresUs) this.#returned = this.#granted - this.#spent;
    this.#id += 1;
    this.#askedUs = nowUs;
    this.asked = {
      ...key,
      policy: "main",
      id: this.#id,
      session: this.#session,
      spent: this.#spent,
      returned: this.#returned,
      owed: 0,
      owedFrom: 0,
      least: need,
      need,
      want: need,
    };
    return spent;
  }

  /** Takes in the answer to the message under way. */
  take(grant: GrantRow): void {
    if (this.asked?.id !== grant.id) return;
    this.asked = undefined;
    if (!isSameSession(grant.session, this.#session)) {
      this.forget();
      this.#session = grant.session;
      this.expiresUs = 0;
    }
    this.expiresUs = Math.max(this.expiresUs, this.#askedUs + LEASE_US);
    this.#granted = Math.max(this.#granted, grant.granted);
  }

  /** Loses its memory of the loan; what was spent stays spent. */
  forget(): void {
    this.#session = NO_SESSION;
    this.#granted = 0;
    this.#spent = 0;
    this.#returned = 0;
    this.asked = undefined;
  }
}
