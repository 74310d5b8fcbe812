/**
 * Balances: rights to units of keys whose home is in another process, to be spent here without asking.
 * One per process. The home's side, and why nothing is ever minted, is loan-book.ts.
 *
 *      look ── covered ──▶ spend                        the common path: no message
 *        │ └── refused ──▶ deny                          the home said so less than 50 ms ago
 *        └──── missing ──▶ reserve, wait ── BORROW ──▶ home ── GRANT ──▶ settle: held or refused
 *
 * Balances double with every grant and are asked for again at 30 % (the home bounds them); a key in use
 * is reported every 0.5 s; one that is idle for 1 s, recalled, or of a limit too small to split is given back.
 * Rights are a lease: none is spent later than 1.5 s after the sending of the last message that was answered,
 * or than the home could promise to remain the home; then they count as given back.
 *
 * One message in flight per key, under an id that never comes back: it is sent again until it is answered, and
 * only that answer counts. Counters are absolute, so whatever was lost is made good by the next answer.
 *
 * Cost of the common path: one Map lookup, a few comparisons, no allocation.
 */
import { createAlgorithm } from "../algorithms/registry.ts";
import type { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";
import { assert } from "../core/assert.ts";
import { Balance, type Reservation } from "./balance.ts";
import { Borrowing } from "./borrowing.ts";
import { DueList } from "./due-list.ts";
import { KeyMap } from "./key-map.ts";
import type { LoanKey } from "./loan.ts";
import {
  LOAN_ROWS_MAX,
  type BorrowFrame,
  type BorrowRow,
  type GrantFrame,
  type Holder,
  type RecallFrame,
  type RecallRow,
} from "./loan-messages.ts";
import { policyIndices, policyMoves } from "./policy-moves.ts";
import type { Policy } from "./policy.ts";
import type { PolicySet } from "./policy-set.ts";
import { RowShares } from "./row-shares.ts";
import { SilentHomes } from "./silent-homes.ts";

/** Less than the process lease of a home (2 s), by the interval at which that is renewed (0.5 s). */
const LEASE_US = 1_500_000;
/** Told to a check whose home has not answered. */
const UNHEARD_RETRY_US = 50_000;
/** Of all tenants together (row-shares.ts). */
const ROWS_MAX = 100_000;

/** `covered`: spend. `refused`: by the home, or for ever. `missing`: the home must be asked. */
export type Standing = "covered" | "refused" | "missing";

export interface BalancesOptions {
  readonly holder: Holder;
  readonly policies: PolicySet;
  /**
   * Messages are numbered from here, and units owed counted. Balances made anew within one incarnation must
   * start above all earlier ones; the wall clock in microseconds will do.
   */
  readonly numbersFrom: number;
  readonly leaseUs?: number;
  readonly rowsMax?: number;
}

export class Balances {
  /**
   * Rows held now; the rest since the start. `late`: answers that nobody waited for any more. `owed`: units
   * charged without rights; `owedLost`: of these, what the home will never hear of.
   */
  readonly tally = {
    rows: 0,
    asked: 0,
    reports: 0,
    resent: 0,
    late: 0,
    expired: 0,
    givenUp: 0,
    owed: 0,
    owedLost: 0,
  };

  /** Homes that have let checks wait in vain. */
  readonly homes = new SilentHomes();

  readonly #holder: Holder;
  readonly #leaseUs: number;
  readonly #shares: RowShares;
  #policies: PolicySet;
  #indices: ReadonlyMap<string, number>;
  /** By policy index. */
  #capacities: number[];
  readonly #rows = new KeyMap<Balance>();
  readonly #due = new DueList<Balance>();
  #touched: Balance[] = [];
  #settled: Reservation[] = [];
  readonly #borrowing: Borrowing;
  /** No forgotten balance owed more: where the count of a new one starts, so that no key's ever falls. */
  #owedMost: number;
  /** While a check that has waited is decided: it stands before those still queued. */
  #isResuming = false;

  constructor(options: BalancesOptions) {
    this.#holder = options.holder;
    this.#leaseUs = options.leaseUs ?? LEASE_US;
    this.#shares = new RowShares(options.rowsMax ?? ROWS_MAX);
    this.#policies = options.policies;
    this.#indices = policyIndices(options.policies);
    this.#capacities = capacitiesOf(options.policies);
    this.#borrowing = new Borrowing(this.tally, options.numbersFrom);
    this.#owedMost = options.numbersFrom;
  }

  /** Live members of the region: among so many the rights of a key are shared. */
  set members(members: number) {
    this.#borrowing.members = members;
  }

  find(policyIndex: number, high: number, low: number): Balance | undefined {
    return this.#rows.find(policyIndex, high, low);
  }

  /** The balance of a key, empty when it is new; undefined when its tenant has too many. */
  open(key: LoanKey, monotonicUs: Micros): Balance | undefined {
    const known = this.#rows.find(key.policyIndex, key.high, key.low);
    if (known !== undefined) return known;
    if (!this.#shares.hasRoom(key.quota)) return undefined;
    this.#shares.take(key.quota);
    const balance = new Balance(key, this.#owedMost, monotonicUs);
    this.#rows.set(key.policyIndex, key.high, key.low, balance);
    this.tally.rows += 1;
    this.#touch(balance);
    return balance;
  }

  /** Writes the verdict of asking for `cost` now, of a key that may have no balance; changes nothing. */
  look(
    balance: Balance | undefined,
    policyIndex: number,
    cost: number,
    monotonicUs: Micros,
    verdict: Verdict,
  ): Standing {
    const capacity = this.#capacities[policyIndex] as number;
    const left = balance === undefined || monotonicUs >= balance.expiresUs ? 0 : balance.left;
    const spoken = balance === undefined ? 0 : balance.held + (this.#isResuming ? 0 : balance.queued);
    const available = Math.max(0, left - spoken);
    const agedUs = balance === undefined ? 0 : monotonicUs - balance.toldUs;
    const isTold = balance !== undefined && balance.toldUs > 0;
    verdict.limit = (this.#policies.policies[policyIndex] as Policy).limit;
    // Of a key never heard of the best guess is that it is fresh.
    verdict.remaining = isTold ? Math.min(capacity, available + balance.remaining) : capacity;
    verdict.resetAfterUs = Math.max(0, (balance?.resetAfterUs ?? 0) - agedUs);
    verdict.retryAfterUs = 0;
    verdict.delayUs = 0;
    verdict.outcome = "allowed";
    if (available >= cost) {
      verdict.remaining -= cost;
      if (cost > 0) verdict.delayUs = balance?.delayUs ?? 0;
      return "covered";
    }
    if (cost > capacity) {
      verdict.outcome = "unsatisfiable";
      verdict.retryAfterUs = Infinity;
      return "refused";
    }
    verdict.outcome = "denied";
    if (balance === undefined || !balance.isDenied(cost - available, monotonicUs)) {
      verdict.retryAfterUs = UNHEARD_RETRY_US;
      return "missing";
    }
    verdict.outcome = balance.retryAfterUs === Infinity ? "unsatisfiable" : "denied";
    verdict.retryAfterUs = Math.max(1, balance.retryAfterUs - agedUs);
    return "refused";
  }

  /** Spends what `look` has just called covered. */
  spend(balance: Balance, cost: number, monotonicUs: Micros): void {
    if (cost === 0) return;
    assert(balance.left - balance.held >= cost, "only what is covered may be spent");
    balance.spend(cost);
    balance.usedUs = monotonicUs;
    if (balance.isLow) this.#touch(balance);
  }

  /** Charges usage that already happened to the key's home, whatever is left here. */
  owe(balance: Balance, cost: number, monotonicUs: Micros): void {
    const owed = balance.owed + cost;
    this.tally.owed += cost;
    if (owed > Number.MAX_SAFE_INTEGER) this.tally.owedLost += cost;
    else balance.owed = owed;
    balance.usedUs = monotonicUs;
    this.#touch(balance);
  }

  reserve(balance: Balance, cost: number, owner: object, monotonicUs: Micros): Reservation {
    balance.usedUs = monotonicUs;
    this.#touch(balance);
    return balance.reserve(cost, owner);
  }

  release(reservation: Reservation): void {
    reservation.balance.release(reservation);
    this.#touch(reservation.balance);
  }

  /** Hands what a released reservation has left behind to the next in the queue. */
  settle(balance: Balance, monotonicUs: Micros): void {
    for (const reservation of balance.settle(monotonicUs)) this.#settled.push(reservation);
  }

  /** Reservations that were held, refused or ended since the last call. */
  takeSettled(): Reservation[] {
    const settled = this.#settled;
    if (settled.length > 0) this.#settled = [];
    return settled;
  }

  /** Runs the decision of a check that has waited, its reservations released a moment ago. */
  resume(decide: () => void): void {
    this.#isResuming = true;
    try {
      decide();
    } finally {
      this.#isResuming = false;
    }
  }

  /** Takes in a home's answer. */
  answer({ shard, holder, rows }: GrantFrame, monotonicUs: Micros): void {
    if (!this.#isUs(holder)) return;
    this.homes.heard(shard, monotonicUs);
    for (const grant of rows) {
      const balance = this.#find(grant);
      const asked = balance?.asked;
      if (balance === undefined || asked === undefined || asked.id !== grant.id) {
        this.tally.late += 1;
        continue;
      }
      balance.asked = undefined;
      const expiresUs = balance.leaseFromUs + Math.min(this.#leaseUs, grant.validUs);
      const gained = balance.take(grant, asked, expiresUs, monotonicUs);
      this.#borrowing.answered(balance, asked, gained, monotonicUs);
      this.#borrowing.lapse(balance, monotonicUs);
      this.settle(balance, monotonicUs);
      this.#touch(balance);
    }
  }

  /**
   * Gives back what is not set aside: the home has refused somebody, or has not heard of us for long. Also
   * answered for a key that nothing is known of: the home thinks that there is something.
   */
  recall({ shard, holder, rows }: RecallFrame, monotonicUs: Micros): void {
    if (!this.#isUs(holder)) return;
    for (const { policy, high, low } of rows) {
      const policyIndex = this.#indices.get(policy);
      if (policyIndex === undefined) continue;
      const balance = this.open({ shard, policyIndex, high, low }, monotonicUs);
      if (balance === undefined) continue;
      balance.isRecalled = true;
      this.#touch(balance);
    }
  }

  /** The home of a shard is this process itself now: everything goes back, and whoever waits decides again. */
  retire(shard: number): void {
    this.homes.forget(shard);
    for (const balance of this.#rows.values()) {
      if (balance.shard !== shard) continue;
      for (const reservation of balance.end()) this.#settled.push(reservation);
      balance.isRecalled = true;
      this.#touch(balance);
    }
  }

  /** Nothing more is decided here: everything goes back, and is forgotten when its home has confirmed it. */
  giveAllBack(): void {
    this.#borrowing.isLeaving = true;
    for (const balance of this.#rows.values()) this.#touch(balance);
  }

  /** Whether nothing is held, nor anything left to tell. */
  get isEmpty(): boolean {
    return this.#rows.size === 0;
  }

  /** Nothing held now may be spent any more: this process was not sure of its own lease. */
  lapse(): void {
    for (const balance of this.#rows.values()) {
      balance.expiresUs = 0;
      balance.leaseFromUs = -Infinity;
      this.#touch(balance);
    }
  }

  /** Puts other policies in force. Nothing may be waiting (WaitingChecks.drain first). */
  adopt(policies: PolicySet): void {
    const moves = policyMoves(this.#policies, policies);
    for (const { reservations } of this.#rows.values())
      assert(reservations.size === 0, "checks wait under the policies they were described by");
    for (const balance of this.#rows.remap((index) => moves[index] ?? -1)) {
      this.#owedMost = Math.max(this.#owedMost, balance.owed);
      this.#due.remove(balance);
      this.#shares.give(balance.quota);
      this.tally.rows -= 1;
    }
    for (const balance of this.#rows.values()) balance.policyIndex = moves[balance.policyIndex] as number;
    this.#touched = this.#touched.filter((balance) => this.#isListed(balance));
    this.#policies = policies;
    this.#indices = policyIndices(policies);
    this.#capacities = capacitiesOf(policies);
  }

  /** Looks after what is due: reports, leases, idle balances. The host calls it every 10 ms or so. */
  tick(monotonicUs: Micros): void {
    for (const balance of this.#due.take(monotonicUs)) this.#touch(balance);
  }

  /** The messages to send now, at most one of each key; call it after every step. */
  takeMessages(monotonicUs: Micros): BorrowFrame[] {
    if (this.#touched.length === 0) return [];
    const touched = this.#touched;
    this.#touched = [];
    const frames: { shard: number; holder: Holder; rows: BorrowRow[] }[] = [];
    const open = new Map<number, BorrowRow[]>();
    for (const balance of touched) {
      balance.isTouched = false;
      const row = this.#isListed(balance) ? this.#attend(balance, monotonicUs) : undefined;
      if (row === undefined) continue;
      let rows = open.get(balance.shard);
      if (rows === undefined || rows.length === LOAN_ROWS_MAX) {
        rows = [];
        open.set(balance.shard, rows);
        frames.push({ shard: balance.shard, holder: this.#holder, rows });
      }
      rows.push(row);
    }
    return frames;
  }

  #attend(balance: Balance, monotonicUs: Micros): BorrowRow | undefined {
    if (this.#borrowing.isGivenUp(balance, monotonicUs)) {
      this.tally.givenUp += 1;
      this.tally.owedLost += balance.owed - balance.owedFrom;
      this.#forget(balance);
      return undefined;
    }
    const policy = this.#policies.policies[balance.policyIndex] as Policy;
    const row = this.#borrowing.attend(balance, policy, monotonicUs);
    const dueUs = this.#borrowing.nextDueUs(balance, policy, monotonicUs);
    if (dueUs === undefined) this.#forget(balance);
    else this.#due.schedule(balance, dueUs);
    return row;
  }

  #find({ policy, high, low }: RecallRow): Balance | undefined {
    const policyIndex = this.#indices.get(policy);
    return policyIndex === undefined ? undefined : this.#rows.find(policyIndex, high, low);
  }

  #isListed(balance: Balance): boolean {
    return this.#rows.find(balance.policyIndex, balance.high, balance.low) === balance;
  }

  #isUs({ member, incarnation }: Holder): boolean {
    return member === this.#holder.member && incarnation === this.#holder.incarnation;
  }

  #touch(balance: Balance): void {
    if (balance.isTouched) return;
    balance.isTouched = true;
    this.#touched.push(balance);
  }

  #forget(balance: Balance): void {
    for (const reservation of balance.end()) this.#settled.push(reservation);
    this.#owedMost = Math.max(this.#owedMost, balance.owed);
    this.#due.remove(balance);
    this.#rows.delete(balance.policyIndex, balance.high, balance.low);
    this.#shares.give(balance.quota);
    this.tally.rows -= 1;
  }
}

/** The most a single check may cost, by policy index. */
function capacitiesOf({ policies }: PolicySet): number[] {
  return policies.map((policy) => createAlgorithm(policy).capacity);
}
