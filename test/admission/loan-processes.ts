/**
 * Processes around the loan ledger, as small as they can be: a home with real limiters, and holders that
 * decide checks over one key of their own and some of the home's. They show how the pieces fit together, and
 * keep a log of everything they truly admitted.
 */
import { Balances, type Standing } from "../../admission/balances.ts";
import { judgeBeside, unitsBeside } from "../../admission/held-units.ts";
import { LoanBook } from "../../admission/loan-book.ts";
import type { LoanMoment } from "../../admission/loan-home.ts";
import {
  decodeBorrow,
  decodeGrant,
  decodeRecall,
  encodeBorrow,
  encodeGrant,
  encodeRecall,
  type Holder,
} from "../../admission/loan-messages.ts";
import type { LoanKey } from "../../admission/loan.ts";
import { PendingCharges } from "../../admission/pending-charges.ts";
import type { PolicySet } from "../../admission/policy-set.ts";
import type { Policy } from "../../admission/policy.ts";
import { WaitingChecks, type Waited, type WaitEnd } from "../../admission/waiting-checks.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { canRetune, createAlgorithm } from "../../algorithms/registry.ts";
import { Verdict } from "../../core/decision.ts";
import { micros } from "../../core/units.ts";
import type { Network, VirtualTime } from "./loan-network.ts";

export const LEASE_TTL_US = 2_000_000;
const RENEW_US = 500_000;
/** TTL and what observers wait on top of it. */
const TAKE_OVER_US = 2_050_000;

export interface Spend {
  readonly atUs: number;
  readonly cost: number;
}

/** The key that everybody meets at under each policy. */
export function keyOf(policyIndex: number): LoanKey {
  return { shard: policyIndex, policyIndex, high: 0x80000001 + policyIndex, low: 7 };
}

class Process {
  readonly time: VirtualTime;
  network: Network;
  policies: PolicySet;
  isUp = true;
  /** When the last renewal of the process lease that was answered had been sent. */
  renewedUs: number;
  isRenewing = true;
  readonly #monotonicFromUs: number;

  constructor(time: VirtualTime, network: Network, policies: PolicySet) {
    this.time = time;
    this.network = network;
    this.policies = policies;
    this.renewedUs = time.nowUs;
    // Monotonic clocks of two processes have nothing to do with each other.
    this.#monotonicFromUs = time.nowUs - time.prng.below(1_000_000_000);
    time.every(RENEW_US, () => {
      if (this.isAlive && this.isRenewing) this.renewedUs = time.nowUs;
    });
  }

  get monotonicUs() {
    return micros(this.time.nowUs - this.#monotonicFromUs);
  }

  get nowUs() {
    return micros(this.time.nowUs);
  }

  get leaseLeftUs(): number {
    return this.renewedUs + LEASE_TTL_US - this.time.nowUs;
  }

  /** Up and not fenced. */
  get isAlive(): boolean {
    return this.isUp && this.leaseLeftUs > 0;
  }
}

export class Home extends Process {
  readonly limiters: KeyedLimiter[];
  readonly pending = new PendingCharges();
  readonly spends: Spend[][];
  epoch: number;
  book: LoanBook;
  readonly holders = new Map<string, HolderProcess>();
  readonly #verdict = new Verdict();

  constructor(time: VirtualTime, network: Network, policies: PolicySet, epoch = 100) {
    super(time, network, policies);
    this.epoch = epoch;
    this.limiters = policies.policies.map((policy) => new KeyedLimiter(createAlgorithm(policy)));
    this.spends = policies.policies.map(() => []);
    this.book = this.newBook();
    time.every(10_000, () => {
      if (!this.isAlive) return;
      this.book.tick(this.nowUs, this.monotonicUs);
      this.#sendRecalls();
    });
  }

  newBook(): LoanBook {
    const home = {
      limiterOf: (_: number, policyIndex: number) => this.limiters[policyIndex],
      charge: ({ policyIndex, high, low }: LoanKey, units: number) =>
        (this.limiters[policyIndex] as KeyedLimiter).charge(high, low, units, this.nowUs),
    };
    const { policies, pending } = this;
    return new LoanBook({ home, policies, pending, birthsFrom: this.time.nowUs });
  }

  hear(bytes: Uint8Array): void {
    if (!this.isAlive) return;
    const { nowUs, monotonicUs, epoch, leaseLeftUs } = this;
    const moment: LoanMoment = { nowUs, monotonicUs, epoch, leaseLeftUs };
    const answer = this.book.borrow(decodeBorrow(bytes), moment);
    if (answer.rows.length > 0) {
      const reply = encodeGrant(answer);
      this.network.send(() => this.holders.get(answer.holder.member)?.hearGrant(reply));
    }
    this.#sendRecalls();
  }

  /** A check decided at the home itself, over one of its keys. */
  check(policyIndex: number, cost: number): boolean {
    if (!this.isAlive) return false;
    const limiter = this.limiters[policyIndex] as KeyedLimiter;
    const { high, low } = keyOf(policyIndex);
    const { capacity } = limiter.algorithm;
    const held = this.book.lentOf(policyIndex, high, low);
    limiter.evaluate(high, low, unitsBeside(held, cost, capacity), this.nowUs, this.#verdict);
    judgeBeside(held, cost, capacity, this.#verdict);
    const isAllowed = this.#verdict.outcome === "allowed";
    if (isAllowed) {
      limiter.commit(cost);
      this.spends[policyIndex]?.push({ atUs: this.time.nowUs, cost });
    } else if (held > 0) {
      this.book.wantRecall(policyIndex, high, low);
    }
    this.#sendRecalls();
    return isAllowed;
  }

  /** Everything but the limiters is lost; they come back with what was lent charged at that moment. */
  crash(): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.time.at(this.renewedUs + TAKE_OVER_US, () => this.#recover());
  }

  /** Another process takes the shards over in order, with their loans. */
  handOver(): void {
    if (!this.isAlive) return;
    const shards = this.policies.policies.map((_, shard) => [shard, this.book.exportShard(shard)] as const);
    this.epoch += 1;
    this.isRenewing = true;
    this.renewedUs = this.time.nowUs;
    this.book = this.newBook();
    this.book.members = 1 + this.holders.size;
    for (const [shard, bytes] of shards) this.book.importShard(shard, bytes, this.nowUs, this.monotonicUs);
  }

  adopt(policies: PolicySet): void {
    const before = this.policies;
    this.policies = policies;
    for (const [index, after] of policies.policies.entries()) {
      const limiter = this.limiters[index] as KeyedLimiter;
      if (canRetune(before.policies[index] as Policy, after))
        limiter.retune(createAlgorithm(after, limiter.algorithm), this.nowUs);
      else this.limiters[index] = new KeyedLimiter(createAlgorithm(after));
    }
    this.book.adopt(policies);
  }

  #recover(): void {
    const lent = this.policies.policies.map((_, index) => {
      const { high, low } = keyOf(index);
      return this.book.lentOf(index, high, low);
    });
    this.isUp = true;
    this.isRenewing = true;
    this.renewedUs = this.time.nowUs;
    this.epoch += 1;
    this.book = this.newBook();
    this.book.members = 1 + this.holders.size;
    for (const [index, units] of lent.entries()) {
      const { high, low } = keyOf(index);
      if (units > 0) this.limiters[index]?.charge(high, low, units, this.nowUs);
    }
  }

  #sendRecalls(): void {
    for (const frame of this.book.takeRecalls(this.monotonicUs)) {
      const bytes = encodeRecall(frame);
      this.network.send(() => this.holders.get(frame.holder.member)?.hearRecall(bytes));
    }
  }
}

/** A check as asked for: over the holder's own key under policy 0 or not, and over some keys of the home. */
export interface HolderCheck {
  readonly cost: number;
  readonly isLocal: boolean;
  readonly remotes: readonly number[];
}

export interface Outcome {
  readonly check: HolderCheck;
  readonly isAllowed: boolean;
  readonly end: WaitEnd | Exclude<Waited, "waiting"> | "at once" | "drained";
  readonly waitedUs: number;
}

/** The key that every holder has to itself, under policy 0. */
const OWN = { shard: 9, policyIndex: 0, high: 5, low: 5 };

export class HolderProcess extends Process {
  readonly name: string;
  readonly home: Home;
  holder: Holder;
  balances: Balances;
  pending = new PendingCharges();
  waiting: WaitingChecks<{ check: HolderCheck; sinceUs: number }>;
  limiter: KeyedLimiter;
  readonly spends: Spend[][];
  readonly outcomes: Outcome[] = [];
  /** Set to make the next decisions fail after their reservations were taken back. */
  isDeciding = true;
  hasLeft = false;
  readonly #verdict = new Verdict();

  constructor(name: string, home: Home) {
    super(home.time, home.network, home.policies);
    this.name = name;
    this.home = home;
    home.holders.set(name, this);
    this.spends = this.policies.policies.map(() => []);
    this.limiter = new KeyedLimiter(createAlgorithm(this.policies.policies[0] as Policy));
    this.holder = { member: name, incarnation: this.time.prng.below(2 ** 32) };
    this.balances = this.#newBalances();
    this.waiting = this.#newWaiting();
    this.time.every(10_000, () => this.tick());
  }

  check(check: HolderCheck): void {
    if (!this.isAlive || this.hasLeft) return;
    const standing = this.#evaluate(check);
    if (standing !== "missing") this.#finish(check, standing === "covered", "at once", 0);
    else {
      const { cost } = check;
      const remotes = check.remotes.map(keyOf);
      const locals = check.isLocal ? [OWN] : [];
      const ticket = { check, sinceUs: this.time.nowUs };
      const waited = this.waiting.wait({ ticket, shard: 0, cost, locals, remotes }, this.monotonicUs);
      if (waited !== "waiting") this.#finish(check, false, waited, 0);
    }
    this.flush();
  }

  hearGrant(bytes: Uint8Array): void {
    if (!this.isAlive) return;
    this.balances.answer(decodeGrant(bytes), this.monotonicUs);
    this.#decideWaiting();
    this.flush();
  }

  hearRecall(bytes: Uint8Array): void {
    if (!this.isAlive) return;
    this.balances.recall(decodeRecall(bytes), this.monotonicUs);
    this.flush();
  }

  tick(): void {
    if (!this.isAlive) return;
    this.balances.tick(this.monotonicUs);
    this.#decideWaiting();
    this.flush();
  }

  /** As under a supervisor: a failed decision ends the step, not the process. */
  #decideWaiting(): void {
    try {
      this.waiting.step(this.monotonicUs);
    } catch (error) {
      if (this.isDeciding) throw error;
    }
  }

  flush(): void {
    for (const frame of this.balances.takeMessages(this.monotonicUs)) {
      const bytes = encodeBorrow(frame);
      this.network.send(() => this.home.hear(bytes));
    }
  }

  /** Dies, is declared dead when its lease is over, and starts again as another incarnation. */
  crash(): void {
    if (!this.isUp) return;
    this.isUp = false;
    const { holder, home } = this;
    this.time.at(this.renewedUs + TAKE_OVER_US, () => {
      if (home.isAlive) home.book.holderDead(holder, home.nowUs);
      this.holder = { member: this.name, incarnation: this.time.prng.below(2 ** 32) };
      this.isUp = true;
      this.isRenewing = true;
      this.renewedUs = this.time.nowUs;
      this.restart();
    });
  }

  /** Loses its memory of loans, within the same incarnation: an actor that is started again. */
  restart(): void {
    for (const { check, sinceUs } of this.waiting.drain())
      this.#finish(check, false, "drained", this.time.nowUs - sinceUs);
    this.balances = this.#newBalances();
    this.waiting = this.#newWaiting();
  }

  /** Decides nothing any more, and gives everything back. */
  leave(): void {
    this.hasLeft = true;
    for (const { check, sinceUs } of this.waiting.drain())
      this.#finish(check, false, "drained", this.time.nowUs - sinceUs);
    this.balances.giveAllBack();
    this.flush();
  }

  adopt(policies: PolicySet): void {
    if (!this.isUp) return;
    for (const { check, sinceUs } of this.waiting.drain())
      this.#finish(check, false, "drained", this.time.nowUs - sinceUs);
    this.policies = policies;
    this.balances.adopt(policies);
  }

  #newBalances(): Balances {
    const { holder, policies } = this;
    const balances = new Balances({ holder, policies, numbersFrom: this.time.nowUs });
    balances.members = 1 + this.home.holders.size;
    return balances;
  }

  #newWaiting(): WaitingChecks<{ check: HolderCheck; sinceUs: number }> {
    return new WaitingChecks({
      balances: this.balances,
      pending: this.pending,
      decide: ({ check, sinceUs }, end) => {
        if (!this.isDeciding) throw new Error("the decision failed");
        this.#finish(check, this.#evaluate(check) === "covered", end, this.time.nowUs - sinceUs);
      },
    });
  }

  /** What an admission does: local keys on top of pending ones, remote ones by their balance. */
  #evaluate({ cost, isLocal, remotes }: HolderCheck): Standing {
    if (isLocal) {
      const { capacity } = this.limiter.algorithm;
      const held = this.pending.pendingOf(0, OWN.high, OWN.low);
      this.limiter.evaluate(OWN.high, OWN.low, unitsBeside(held, cost, capacity), this.nowUs, this.#verdict);
      judgeBeside(held, cost, capacity, this.#verdict);
      if (this.#verdict.outcome !== "allowed") return "refused";
    }
    let standing: Standing = "covered";
    for (const policyIndex of remotes) {
      const { high, low } = keyOf(policyIndex);
      const balance = this.balances.find(policyIndex, high, low);
      const one = this.balances.look(balance, policyIndex, cost, this.monotonicUs, this.#verdict);
      if (one === "refused") return one;
      if (one === "missing") standing = one;
    }
    return standing;
  }

  #finish(check: HolderCheck, isAllowed: boolean, end: Outcome["end"], waitedUs: number): void {
    this.outcomes.push({ check, isAllowed, end, waitedUs });
    if (!isAllowed) return;
    const { cost } = check;
    const spend = { atUs: this.time.nowUs, cost };
    if (check.isLocal) {
      this.limiter.charge(OWN.high, OWN.low, cost, this.nowUs);
      this.spends[0]?.push(spend);
    }
    for (const policyIndex of check.remotes) {
      const { high, low } = keyOf(policyIndex);
      const balance = this.balances.find(policyIndex, high, low);
      if (balance === undefined) throw new Error("covered without a balance");
      this.balances.spend(balance, cost, this.monotonicUs);
      this.spends[policyIndex]?.push(spend);
    }
  }
}
