/**
 * Checks that wait for rights of keys whose homes are in other processes: all of them, or none.
 *
 *      wait     reserve at every remote key, note the cost at every local one; nothing is charged;
 *               unless a home that must be asked has let others wait in vain (silent-homes.ts)
 *      step     every reservation held, or one refused, or 250 ms are over
 *                 └─▶ take back every reservation and note, then decide once more
 *
 * The decision is made afresh, in one tick, from what is there by then: so a check charges everything or
 * nothing, however long it has waited and whatever happened to one of its keys meanwhile. Whoever decides
 * sees the check's units as free and nobody else's.
 *
 * Nobody waits for ever: a check that holds units of one key while it waits for another ends at its deadline
 * at the latest, and waiters are bounded, per key and in all. A reservation is taken back before the decision,
 * so that none can be lost to a decision that fails. Those that are not made to wait count among the waiters
 * for as long as they would have waited: no more are decided without rights than before.
 */
import type { Micros } from "../core/units.ts";
import type { Balance, Reservation } from "./balance.ts";
import type { Balances } from "./balances.ts";
import type { LoanKey } from "./loan.ts";
import type { PendingCharges } from "./pending-charges.ts";
import { RecentCount } from "./recent-count.ts";

const DEADLINE_US = 250_000;
const WAITING_MAX = 16_384;
/** As many as one message can fairly ask for; those after them would wait for another round anyway. */
const WAITING_PER_KEY_MAX = 1_024;

/** `answered`: every home concerned has spoken, or ceased to be elsewhere. `deadline`: one has not. */
export type WaitEnd = "answered" | "deadline";

/** `crowded`: too many wait. `silent`: for a home that has kept silent; to be decided as at the deadline. */
export type Waited = "waiting" | "crowded" | "silent";

export interface WaitingCheck<Ticket> {
  /** Whatever is needed to decide the check and to answer it. */
  readonly ticket: Ticket;
  /** The shard that decides it. */
  readonly shard: number;
  readonly cost: number;
  /** Keys with their home in this process, and in others; each once. */
  readonly locals: readonly LoanKey[];
  readonly remotes: readonly LoanKey[];
}

export interface WaitingChecksOptions<Ticket> {
  readonly balances: Balances;
  readonly pending: PendingCharges;
  /** Decides a check whose reservations were taken back: evaluates, charges or not, answers. */
  readonly decide: (ticket: Ticket, end: WaitEnd) => void;
  readonly deadlineUs?: number;
  readonly waitingMax?: number;
  readonly waitingPerKeyMax?: number;
}

interface Waiting<Ticket> {
  readonly check: WaitingCheck<Ticket>;
  readonly reservations: readonly Reservation[];
  readonly deadlineUs: number;
}

export class WaitingChecks<Ticket> {
  readonly #balances: Balances;
  readonly #pending: PendingCharges;
  readonly #decide: (ticket: Ticket, end: WaitEnd) => void;
  readonly #deadlineUs: number;
  readonly #waitingMax: number;
  readonly #waitingPerKeyMax: number;
  /** In order of arrival, which is the order of their deadlines. */
  readonly #waiting = new Set<object>();
  readonly #blind: RecentCount;

  constructor(options: WaitingChecksOptions<Ticket>) {
    this.#balances = options.balances;
    this.#pending = options.pending;
    this.#decide = options.decide;
    this.#deadlineUs = options.deadlineUs ?? DEADLINE_US;
    this.#waitingMax = options.waitingMax ?? WAITING_MAX;
    this.#waitingPerKeyMax = options.waitingPerKeyMax ?? WAITING_PER_KEY_MAX;
    this.#blind = new RecentCount(this.#deadlineUs);
  }

  /** Checks waiting now. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Of those, decided by one shard. Cost: a walk over all of them. */
  countOf(shard: number): number {
    let count = 0;
    for (const { check } of this.#waiting as Set<Waiting<Ticket>>) if (check.shard === shard) count += 1;
    return count;
  }

  /** Lets a check wait, or says why not; then nothing is set aside for it. */
  wait(check: WaitingCheck<Ticket>, monotonicUs: Micros): Waited {
    if (this.#waiting.size + this.#blind.at(monotonicUs) >= this.#waitingMax) return "crowded";
    const balances: Balance[] = [];
    for (const key of check.remotes) {
      const balance = this.#balances.open(key, monotonicUs);
      if (balance === undefined) return "crowded";
      const ahead = balance.reservations.size + (balance.blind?.at(monotonicUs) ?? 0);
      if (ahead >= this.#waitingPerKeyMax) return "crowded";
      balances.push(balance);
    }
    // Whoever has the units here need not be asked.
    const asked = balances.filter((balance) => !balance.covers(check.cost, monotonicUs));
    const { homes } = this.#balances;
    if (!asked.every(({ shard }) => homes.mayWait(shard, monotonicUs))) {
      this.#letGo(asked, monotonicUs);
      return "silent";
    }
    for (const { shard } of asked) homes.waiting(shard, monotonicUs);
    const reservations: Reservation[] = [];
    const waiting = { check, reservations, deadlineUs: monotonicUs + this.#deadlineUs };
    for (const balance of balances)
      reservations.push(this.#balances.reserve(balance, check.cost, waiting, monotonicUs));
    for (const { policyIndex, high, low } of check.locals)
      this.#pending.add(policyIndex, high, low, check.cost);
    this.#waiting.add(waiting);
    return "waiting";
  }

  /**
   * Decides the checks whose turn has come. Call it after answers were taken in, and with every tick.
   *
   * @throws whatever a decision threw, the first of several, after all others were made
   */
  step(monotonicUs: Micros): void {
    const failures: unknown[] = [];
    this.#decideSettled(monotonicUs, failures);
    for (const waiting of this.#waiting as Set<Waiting<Ticket>>) {
      if (waiting.deadlineUs > monotonicUs) break;
      this.#end(waiting, "deadline", monotonicUs, failures);
    }
    this.#decideSettled(monotonicUs, failures);
    if (failures.length > 0) throw failures[0];
  }

  /**
   * Takes everything back and lets go of all checks, or of those decided by one shard; what becomes of them
   * is the caller's decision. For a shard that closes, other policies, or an actor that starts again.
   */
  drain(shard?: number): Ticket[] {
    const tickets: Ticket[] = [];
    for (const waiting of this.#waiting as Set<Waiting<Ticket>>) {
      if (shard !== undefined && waiting.check.shard !== shard) continue;
      this.#release(waiting);
      tickets.push(waiting.check.ticket);
    }
    return tickets;
  }

  #decideSettled(monotonicUs: Micros, failures: unknown[]): void {
    // A decision that charges nothing leaves units to the next in the queue, whose turn has then come too.
    for (;;) {
      const settled = this.#balances.takeSettled();
      if (settled.length === 0) return;
      for (const { owner } of settled) {
        if (!this.#waiting.has(owner)) continue;
        const waiting = owner as Waiting<Ticket>;
        if (isSettled(waiting.reservations)) this.#end(waiting, "answered", monotonicUs, failures);
      }
    }
  }

  #letGo(asked: readonly Balance[], monotonicUs: Micros): void {
    this.#blind.add(monotonicUs);
    for (const balance of asked) {
      balance.blind ??= new RecentCount(this.#deadlineUs);
      balance.blind.add(monotonicUs);
    }
  }

  #end(waiting: Waiting<Ticket>, end: WaitEnd, monotonicUs: Micros, failures: unknown[]): void {
    if (end === "deadline") this.#blame(waiting, monotonicUs);
    this.#release(waiting);
    try {
      this.#balances.resume(() => this.#decide(waiting.check.ticket, end));
    } catch (error) {
      failures.push(error);
    }
    for (const { balance } of waiting.reservations) this.#balances.settle(balance, monotonicUs);
  }

  /** Says of the homes whose rights never came that a check has waited for them. */
  #blame({ reservations, deadlineUs }: Waiting<Ticket>, monotonicUs: Micros): void {
    for (const { state, balance } of reservations) {
      if (state !== "queued") continue;
      this.#balances.homes.missed(balance.shard, deadlineUs - this.#deadlineUs, monotonicUs);
    }
  }

  #release(waiting: Waiting<Ticket>): void {
    const { check, reservations } = waiting;
    this.#waiting.delete(waiting);
    for (const reservation of reservations) this.#balances.release(reservation);
    for (const { policyIndex, high, low } of check.locals)
      this.#pending.remove(policyIndex, high, low, check.cost);
  }
}

/** Whether there is nothing more to wait for: one refusal is enough, else every unit must be there. */
function isSettled(reservations: readonly Reservation[]): boolean {
  const isHopeless = reservations.some(({ state }) => state === "refused" || state === "ended");
  return isHopeless || reservations.every(({ state }) => state === "held");
}
