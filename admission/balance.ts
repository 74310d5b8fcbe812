/**
 * What this process holds of one key whose home is in another: the ledger's spending side. Pure bookkeeping;
 * what is sent and when is up to balances.ts.
 *
 *      granted ─ spent ─ returned = left
 *      │▒▒▒ held ▒▒▒│░░░ queued ░░░│ available        held: checks waiting for another key's rights
 *      └────────── left ─────┘                         queued: checks waiting for these
 */
import type { KeyQuota } from "../algorithms/key-census.ts";
import type { Due } from "./due-list.ts";
import type { LoanKey } from "./loan.ts";
import { isSameSession, NO_SESSION, type BorrowRow, type GrantRow, type Session } from "./loan-messages.ts";
import type { RecentCount } from "./recent-count.ts";

/** A refusal of the home is repeated for this long at most before it is asked again. */
const DENIED_MAX_US = 50_000;
/** Of the last lot: more is asked for when less is left, in time not to run dry. */
const LOW_SHARE = 0.3;

/** Units of a balance set aside for a waiting check: its place in the queue, and then its share. */
export interface Reservation {
  readonly balance: Balance;
  readonly cost: number;
  /** Whoever waits; what it is, is the owner's own business. */
  readonly owner: object;
  /** `queued` until there are units for it, or none for now (`refused`); `ended` when the balance is gone. */
  state: "queued" | "held" | "refused" | "ended" | "released";
}

export class Balance implements Due, LoanKey {
  dueSlot = Infinity;
  readonly shard: number;
  policyIndex: number;
  readonly high: number;
  readonly low: number;
  readonly quota: KeyQuota | undefined;

  session: Session = NO_SESSION;
  /** Units of this session, in all. */
  granted = 0;
  spent = 0;
  returned = 0;
  /** What may still be spent before `expiresUs`. Invariant: granted − spent − returned ≥ 0. */
  left = 0;
  /** Monotonic: nothing is spent from here on. */
  expiresUs = 0;
  /** `left` right after the last grant: what is measured against when it runs low. */
  lot = 0;

  /** Units charged without rights, over all sessions, and how much of it the home has confirmed. */
  owed: number;
  owedFrom: number;
  /** What the home has confirmed of this session. */
  reportedSpent = 0;
  reportedReturned = 0;

  /** In order of arrival. Invariant: held and queued are the sums over those in that state. */
  readonly reservations = new Set<Reservation>();
  held = 0;
  queued = 0;

  /** The message in flight, when it was sent first and last, and when to send it again. */
  asked: BorrowRow | undefined;
  askedUs = -Infinity;
  /** From when the lease of its answer counts: `askedUs`, or never. */
  leaseFromUs = -Infinity;
  resentUs = -Infinity;
  resendUs = 0;
  resends = 0;

  /** When units were last asked of it. */
  usedUs: number;
  /** What to borrow beyond need; doubles with every grant. */
  want = 0;
  /** Not before this moment are more units asked for in advance. */
  prefetchUs = 0;
  isRecalled = false;
  isTouched = false;
  /** Checks decided without rights because the home keeps silent (waiting-checks.ts). */
  blind: RecentCount | undefined;

  /** The key as its home last described it, at `toldUs`. */
  limit = 0;
  remaining = 0;
  resetAfterUs = 0;
  retryAfterUs = 0;
  delayUs = 0;
  toldUs = 0;
  /** The fewest units that the home has refused, Infinity when none, and until when that is believed. */
  deniedUnits = Infinity;
  deniedUntilUs = 0;
  /** Units that others had of the key when its home last refused; `DenialDoubt`. */
  deniedBeside = 0;

  constructor(key: LoanKey, owed: number, nowUs: number) {
    this.shard = key.shard;
    this.policyIndex = key.policyIndex;
    this.high = key.high;
    this.low = key.low;
    this.quota = key.quota;
    this.owed = owed;
    this.owedFrom = owed;
    this.usedUs = nowUs;
  }

  /** Whether the home must still hear something. */
  get hasNews(): boolean {
    return (
      this.spent > this.reportedSpent || this.returned > this.reportedReturned || this.owed > this.owedFrom
    );
  }

  /** Whether more should be asked for before the rest is spent. */
  get isLow(): boolean {
    return this.left - this.held < LOW_SHARE * this.lot;
  }

  /**
   * Whether a refusal of the home might be none if nobody had units of the key for later: others, this process
   * (too few for the check, or spoken for by one that waits), or the way home.
   */
  get isDenialDoubtful(): boolean {
    const isReturning = this.returned > this.reportedReturned;
    return this.deniedBeside > 0 || this.left > 0 || this.queued > 0 || isReturning;
  }

  /** Whether there are units for a check that comes now, after those that wait. */
  covers(cost: number, nowUs: number): boolean {
    return nowUs < this.expiresUs && this.left - this.held - this.queued >= cost;
  }

  /** Whether the home would say no, as far as is known, were it asked for so many units more. */
  isDenied(missing: number, nowUs: number): boolean {
    return missing >= this.deniedUnits && nowUs < this.deniedUntilUs;
  }

  spend(cost: number): void {
    this.spent += cost;
    this.left -= cost;
  }

  /** Gives units back; they must not be spent any more, whether the home hears of it or not. */
  giveBack(units: number): void {
    this.returned += units;
    this.left -= units;
    this.lot = 0;
  }

  /** Takes in what the home says. @returns units gained */
  take(grant: GrantRow, asked: BorrowRow, expiresUs: number, nowUs: number): number {
    if (isSameSession(grant.session, this.session)) {
      this.reportedSpent = Math.max(this.reportedSpent, asked.spent);
      this.reportedReturned = Math.max(this.reportedReturned, asked.returned);
      this.expiresUs = Math.max(this.expiresUs, expiresUs);
    } else {
      this.#start(grant.session);
      this.expiresUs = expiresUs;
    }
    if (grant.status !== "full") this.owedFrom = Math.max(this.owedFrom, asked.owed);
    const gained = Math.max(0, grant.granted - this.granted);
    this.granted += gained;
    this.left += gained;
    if (gained > 0) this.lot = this.left;
    this.toldUs = nowUs;
    this.limit = grant.limit;
    this.remaining = grant.remaining;
    this.resetAfterUs = grant.resetAfterUs;
    this.retryAfterUs = grant.retryAfterUs;
    this.delayUs = grant.delayUs;
    this.deniedUnits = grant.deniedUnits > 0 ? grant.deniedUnits : Infinity;
    this.deniedUntilUs = nowUs + Math.min(grant.retryAfterUs, DENIED_MAX_US);
    this.deniedBeside = grant.beside;
    return gained;
  }

  /** Everything left is lost: the units of reservations have to be found again. */
  unhold(): void {
    for (const reservation of this.reservations) {
      if (reservation.state === "held") reservation.state = "queued";
    }
    this.queued += this.held;
    this.held = 0;
  }

  reserve(cost: number, owner: object): Reservation {
    const hasRoom = this.left - this.held - this.queued >= cost;
    const reservation: Reservation = { balance: this, cost, owner, state: hasRoom ? "held" : "queued" };
    this.reservations.add(reservation);
    if (hasRoom) this.held += cost;
    else this.queued += cost;
    return reservation;
  }

  release(reservation: Reservation): void {
    if (!this.reservations.delete(reservation)) return;
    if (reservation.state === "held") this.held -= reservation.cost;
    if (reservation.state === "queued") this.queued -= reservation.cost;
    reservation.state = "released";
  }

  /** Hands units out to those queued, in order; passes over what does not fit. Returns who was settled. */
  settle(nowUs: number): Reservation[] {
    const settled: Reservation[] = [];
    if (this.queued === 0) return settled;
    for (const reservation of this.reservations) {
      if (reservation.state !== "queued") continue;
      const { cost } = reservation;
      const missing = cost - (this.left - this.held);
      if (missing <= 0) {
        reservation.state = "held";
        this.held += cost;
      } else if (this.isDenied(missing, nowUs)) {
        reservation.state = "refused";
      } else {
        continue;
      }
      this.queued -= cost;
      settled.push(reservation);
    }
    return settled;
  }

  /** Ends all reservations: nobody will be told anything about this balance any more. */
  end(): Reservation[] {
    const ended = [...this.reservations];
    for (const reservation of ended) reservation.state = "ended";
    this.reservations.clear();
    this.held = 0;
    this.queued = 0;
    return ended;
  }

  /** Units missing for the first check queued, and for all of them. */
  missing(): { least: number; all: number } {
    const free = this.left - this.held;
    for (const reservation of this.reservations) {
      if (reservation.state === "queued") return { least: reservation.cost - free, all: this.queued - free };
    }
    return { least: 0, all: 0 };
  }

  /** Another session: what was held of the last one is gone, charged at the home by whoever ended it. */
  #start(session: Session): void {
    this.session = session;
    this.granted = 0;
    this.spent = 0;
    this.returned = 0;
    this.reportedSpent = 0;
    this.reportedReturned = 0;
    this.left = 0;
    this.lot = 0;
    this.unhold();
  }
}
