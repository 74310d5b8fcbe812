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
import { WaitingChecks, type Waited, type WaitEnd } from "../admission/waiting-checks.ts";
import { ParlError } from "../core/errors.ts";
import { micros, type Micros } from "../core/units.ts";
import type { Asking, DecisionDesk, OpenShard } from "./decision-desk.ts";
import { hasMoved } from "./shard-moved.ts";

export interface LookedKeys {
  readonly locals: readonly LoanKey[];
  readonly remotes: readonly LoanKey[];
}

export interface WaitingRequest {
  readonly asking: Asking;
  /** Its home. */
  readonly shard: number;
  /** To be called once; errors are counted by then. What the journal must know first stands in `holds`. */
  readonly answer: (answer: Answer | ParlError) => void;
}

/** What made a check be decided that had to wait, or could not be made to. */
type Cause = WaitEnd | Exclude<Waited, "waiting"> | "settled";

export class WaitingRequests {
  /**
   * Checks that had to wait, by how that ended: their homes answered and the check was allowed or denied; a home
   * kept silent and it was allowed or denied by `onFailure`; it was so at once, spared a wait for a home that had
   * kept silent before; too many waited already, so that it was decided without; policies changed meanwhile, and
   * it was decided from what was there; its shard moved.
   */
  readonly tally = {
    allowed: 0,
    denied: 0,
    silentAllowed: 0,
    silentDenied: 0,
    sparedAllowed: 0,
    sparedDenied: 0,
    crowded: 0,
    settled: 0,
    moved: 0,
  };

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
    if (waited !== "waiting") this.#decide(request, waited);
  }

  /** Decides those whose turn has come. */
  step(nowUs: Micros): void {
    this.#nowUs = nowUs;
    this.#checks.step(nowUs);
  }

  /** Decides all that wait, or those of one shard, from what is there. */
  settle(nowUs: Micros, shard?: number): void {
    this.#nowUs = nowUs;
    for (const request of this.#checks.drain(shard)) this.#decide(request, "settled");
  }

  #decide({ asking, shard, answer }: WaitingRequest, cause: Cause): void {
    const { tenant, request } = asking;
    const { admission, tally } = this.#desk;
    const home = this.#openOf(shard);
    if (home === undefined) {
      this.tally.moved += 1;
      const error = hasMoved(shard);
      tally.error(error.code);
      answer(error);
      return;
    }
    admission.describe(tenant, request.user, request.key);
    const isSilent = cause === "deadline" || cause === "silent";
    const isOpen = isSilent && admission.policies.failureMode(tenant) !== "deny";
    try {
      const decided = this.#desk.decideOnce(home, asking, this.#nowUs, isOpen ? "allow" : "deny") as Answer;
      this.#count(cause, decided.verdict.outcome === "allowed");
      answer(decided);
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      tally.error(error.code);
      answer(error);
    }
  }

  #count(cause: Cause, isAllowed: boolean): void {
    const { tally } = this;
    if (cause === "answered") tally[isAllowed ? "allowed" : "denied"] += 1;
    else if (cause === "deadline") tally[isAllowed ? "silentAllowed" : "silentDenied"] += 1;
    else if (cause === "silent") tally[isAllowed ? "sparedAllowed" : "sparedDenied"] += 1;
    else tally[cause] += 1;
  }
}
