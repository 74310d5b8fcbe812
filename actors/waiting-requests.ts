/**
 * Checks that wait for rights of homes in other processes (admission/waiting-checks.ts), with the words they
 * were asked in, so that they can be described and decided afresh when their homes have spoken.
 *
 * A home that does not speak in time leaves it to the tenant's policies: `onFailure: deny` denies, anything
 * else lets the check pass on what is known here, and the home is told of the spending when it is back. Until
 * it is heard again the next ones are decided so at once (admission/silent-homes.ts).
 */
import type { Answer } from "../admission/answered-ids.ts";
import type { Lending } from "../admission/lending.ts";
import type { LoanKey } from "../admission/loan.ts";
import { WaitingChecks, type WaitEnd } from "../admission/waiting-checks.ts";
import { ParlError } from "../core/errors.ts";
import { micros, type Micros } from "../core/units.ts";
import type { Asking, DecisionDesk, OpenShard } from "./decision-desk.ts";

/** After so long a shard that was moving has arrived. */
const MOVED_RETRY_MS = 100;

export interface LookedKeys {
  readonly locals: readonly LoanKey[];
  readonly remotes: readonly LoanKey[];
}

export interface WaitingRequest {
  readonly asking: Asking;
  /** Its home. */
  readonly shard: number;
  /** To be called once. Whatever the journal must know first stands in the admission's `holds`. */
  readonly answer: (answer: Answer | ParlError) => void;
}

export class WaitingRequests {
  /**
   * Checks that had to wait; those decided although a home kept silent; and of these the ones that were not
   * made to wait for it, because it had kept silent before.
   */
  waitedTotal = 0;
  silentTotal = 0;
  unwaitedTotal = 0;

  readonly #desk: DecisionDesk;
  readonly #openOf: (shard: number) => OpenShard | undefined;
  readonly #checks: WaitingChecks<WaitingRequest>;
  #nowUs: Micros = micros(0);

  constructor(desk: DecisionDesk, lending: Lending, openOf: (shard: number) => OpenShard | undefined) {
    this.#desk = desk;
    this.#openOf = openOf;
    this.#checks = new WaitingChecks({
      balances: lending.balances,
      pending: lending.pending,
      decide: (request, end) => this.#decide(request, end),
    });
  }

  get size(): number {
    return this.#checks.size;
  }

  /** Of those, at home in one shard. */
  countOf(shard: number): number {
    return this.#checks.countOf(shard);
  }

  /** Lets a check wait that was described and looked at; one too many, or one in vain, is decided at once. */
  wait(request: WaitingRequest, { locals, remotes }: LookedKeys, nowUs: Micros): void {
    this.#nowUs = nowUs;
    const { shard, asking } = request;
    const check = { ticket: request, shard, cost: asking.request.cost, locals, remotes };
    const waited = this.#checks.wait(check, nowUs);
    if (waited === "waiting") this.waitedTotal += 1;
    else if (waited === "crowded") this.#decide(request, "answered");
    else {
      this.unwaitedTotal += 1;
      this.#decide(request, "deadline");
    }
  }

  /** Decides those whose turn has come. */
  step(nowUs: Micros): void {
    this.#nowUs = nowUs;
    this.#checks.step(nowUs);
  }

  /** Decides all that wait, or those of one shard, from what is there. */
  settle(nowUs: Micros, shard?: number): void {
    this.#nowUs = nowUs;
    for (const request of this.#checks.drain(shard)) this.#decide(request, "answered");
  }

  #decide({ asking, shard, answer }: WaitingRequest, end: WaitEnd): void {
    const { tenant, request } = asking;
    const { admission } = this.#desk;
    const home = this.#openOf(shard);
    if (home === undefined) {
      answer(hasMoved(shard));
      return;
    }
    admission.describe(tenant, request.user, request.key);
    const isSilent = end === "deadline";
    if (isSilent) this.silentTotal += 1;
    const isOpen = isSilent && admission.policies.failureMode(tenant) !== "deny";
    try {
      answer(this.#desk.decideOnce(home, asking, this.#nowUs, isOpen ? "allow" : "deny") as Answer);
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      this.#desk.tally.error(error.code);
      answer(error);
    }
  }
}

function hasMoved(shard: number): ParlError {
  const message = `shard ${shard} moved to another process while the check waited; ask again`;
  return new ParlError("PARL_NOT_OWNER", message, { field: "shard", retryAfterMs: MOVED_RETRY_MS });
}
