/**
 * Admission: may this check pass, under every policy that matches it? All or nothing.
 *
 *      user ─▶ ┌──────────┐ verdict ┐
 *      key  ─▶ │ limiters │ verdict ├─▶ all allowed?  ─ yes ─▶ charge every one of them
 *      org  ─▶ │ at home  │ verdict │                 └─ no ──▶ charge none, name the tightest
 *      global ▶└──────────┘ verdict ┘
 *
 * Every dimension of a check is evaluated at its own home shard and nothing is charged until all have
 * agreed, within one tick. The answer is the minimum: `remaining` and the name come from the tightest
 * policy; a denied check waits for the slowest of those that refused, exactly, because a policy that would
 * admit a cost now admits it at any later moment without traffic between.
 *
 * A check is described by registers (`describe…`, then `evaluate`), so that a packed frame is decided
 * straight from its bytes. Nothing is allocated per decision.
 */
import { markedLow } from "../algorithms/key-census.ts";
import type { MemoryBudget } from "../algorithms/memory-budget.ts";
import { Verdict } from "../core/decision.ts";
import { fnv1aBytes, fnv1aString } from "../core/fnv1a.ts";
import { IdentityHash } from "../core/half-sip-hash.ts";
import type { Micros } from "../core/units.ts";
import type { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import type { JournalHold } from "./journalled-keys.ts";
import type { Balance } from "./balance.ts";
import type { Standing } from "./balances.ts";
import { DenialDoubt, ELSEWHERE, FIRM, LENT, UNHEARD } from "./denial-doubt.ts";
import { judgeBeside, unitsBeside } from "./held-units.ts";
import type { Lending } from "./lending.ts";
import type { LoanKey } from "./loan.ts";
import type { PolicySet } from "./policy-set.ts";
import { reportedUnits } from "./reported-usage.ts";
import { ShardTable } from "./shard-table.ts";
import { GLOBAL, KEY, ORG, USER, type TenantView } from "./tenant-view.ts";
import { TenantViews } from "./tenant-views.ts";

export interface ClusterSecret {
  readonly high: number;
  readonly low: number;
}

export interface AdmissionOptions {
  readonly shards: number;
  /** Seed of the identity hash, the same in every process that may own these keys. */
  readonly secret: ClusterSecret;
  readonly policies: PolicySet;
  readonly budget: MemoryBudget;
}

/** What to do about rights that are neither here nor known to be refused: ask and wait, or decide without them. */
export type WhenMissing = "wait" | "deny" | "allow";

/** @param isShared whether the key has to do with an overflow bucket */
export type VerdictVisitor = (policyIndex: number, verdict: Verdict, isShared: boolean) => void;

export class Admission {
  readonly shards: number;
  readonly table: ShardTable;
  /** Rights of keys at home elsewhere. Undefined in a process that decides everything by itself. */
  lending: Lending | undefined;
  /** The combined answer of the last evaluate. */
  readonly verdict = new Verdict();
  /** Index of the tightest policy in the set, −1 when none applied. */
  tightest = -1;
  /** Home shard of the check described, by its finest dimension. */
  home = 0;
  readonly tenants: TenantViews;
  /** Charges that the journal must know before their answers go out; emptied by whoever answers. */
  readonly holds: JournalHold[] = [];

  #policies: PolicySet;

  // The check described: identity and home by dimension; an absent dimension has home −1.
  readonly #high = new Int32Array(4);
  readonly #low = new Int32Array(4);
  readonly #homes = new Int32Array(4);
  #view: TenantView;

  // What the last evaluate looked at, in order, for the commit: place in the view, units that its journal
  // must take for left, the limiter at home here, or what is borrowed from a home elsewhere (undefined: nothing).
  readonly #lookedPlace: number[] = [];
  readonly #lookedLeft: number[] = [];
  readonly #looked: (KeyedLimiter | undefined)[] = [];
  readonly #lookedBalance: (Balance | undefined)[] = [];
  #lookedCount = 0;
  /** Homes that must be asked before the check can be decided. */
  #missing = 0;
  readonly #one = new Verdict();
  /** Of the last look; and, if it refuses, how doubtful that is. */
  #standing: Standing = "covered";
  #doubt = FIRM;
  /** Units that counted as charged and that the journal need not know. */
  #beside = 0;
  readonly #denial = new DenialDoubt();
  /** Least left under any policy looked at, were the check refused. */
  #least = Infinity;

  constructor(options: AdmissionOptions) {
    this.shards = options.shards;
    this.#policies = options.policies;
    this.table = new ShardTable(options.shards, options.policies, options.budget);
    const hash = new IdentityHash(options.secret.high, options.secret.low);
    this.tenants = new TenantViews(options.policies, { ...options, hash, census: this.table.census });
    this.#view = this.tenants.of("");
  }

  /** One that decides everything: every shard is open. */
  static whole(options: AdmissionOptions): Admission {
    const admission = new Admission(options);
    const { table } = admission;
    for (let shard = 0; shard < options.shards; shard += 1) table.open(shard, table.newKeys(shard));
    return admission;
  }

  get policies(): PolicySet {
    return this.#policies;
  }

  /** If the last evaluate denies: place in DENIAL_DOUBTS (denial-doubt.ts). */
  get doubt(): number {
    return this.#denial.doubt;
  }

  /** Puts other policies in force; no check may be waiting. */
  adopt(policies: PolicySet): void {
    this.#policies = policies;
    this.table.adopt(policies);
    this.lending?.adopt(policies);
    this.tenants.adopt(policies);
    this.#view = this.tenants.of("");
  }

  /** Describes the check to be decided by its tokens; an absent user or key is "". */
  describe(tenant: string, user: string, key: string): void {
    const view = this.#startCheck(tenant);
    if (user !== "") {
      view.userHash.ofString(user);
      this.#place(USER, view.userHash, fnv1aString(user, view.placement));
    }
    if (key !== "") {
      view.keyHash.ofString(key);
      this.#place(KEY, view.keyHash, fnv1aString(key, view.placement));
    }
    this.#settleHome();
  }

  /** The same from bytes: key in [keyStart, userStart), user in [userStart, end). */
  describeBytes(tenant: string, bytes: Uint8Array, keyStart: number, userStart: number, end: number): void {
    const view = this.#startCheck(tenant);
    if (end > userStart) {
      view.userHash.ofBytes(bytes, userStart, end);
      this.#place(USER, view.userHash, fnv1aBytes(bytes, userStart, end, view.placement));
    }
    if (userStart > keyStart) {
      view.keyHash.ofBytes(bytes, keyStart, userStart);
      this.#place(KEY, view.keyHash, fnv1aBytes(bytes, keyStart, userStart, view.placement));
    }
    this.#settleHome();
  }

  /**
   * Evaluates the check described and, when every policy allows it, charges all of them.
   *
   * @param whenMissing what to do when the home of a dimension must be asked first
   * @returns false when it must wait: nothing is decided, nothing charged
   */
  decide(cost: number, nowUs: Micros, whenMissing: WhenMissing = "wait"): boolean {
    this.evaluate(cost, nowUs, whenMissing);
    if (this.verdict.outcome !== "allowed") return true;
    if (this.#missing > 0 && whenMissing === "wait") return false;
    if (cost > 0) for (let i = 0; i < this.#lookedCount; i += 1) this.#charge(i, cost, nowUs);
    return true;
  }

  /** Writes the combined verdict of the check described; charges nothing. */
  evaluate(cost: number, nowUs: Micros, whenMissing: WhenMissing = "allow"): void {
    const { verdict } = this;
    const view = this.#view;
    this.tightest = -1;
    this.#lookedCount = 0;
    this.#missing = 0;
    verdict.clear();
    this.#least = Infinity;
    this.#denial.start();
    for (let i = 0; i < view.policyIndices.length; i += 1) {
      if (!this.#look(i, cost, nowUs)) continue;
      if (this.#standing === "missing") this.#missing += 1;
      this.#lookedCount += 1;
      if (this.#standing !== "missing" || whenMissing === "deny") {
        this.#combine(view.policyIndices[i] as number, cost);
        if (this.#one.outcome !== "allowed") this.#denial.refused(this.#doubt);
      }
    }
    if (verdict.outcome === "allowed") return;
    verdict.delayUs = 0;
    verdict.remaining = this.#least;
  }

  /** Charges usage that already happened to every matching policy; leaves a peek in the verdict. */
  report(cost: number, nowUs: Micros): void {
    this.evaluate(0, nowUs);
    for (let i = 0; i < this.#lookedCount; i += 1) {
      // Charged whatever is left: then nobody can tell how much is in use.
      const left = (this.#lookedLeft[i] as number) - cost;
      this.#lookedLeft[i] = left > 0 ? left : -Infinity;
      this.#charge(i, cost, nowUs, true);
    }
    this.evaluate(0, nowUs);
  }

  /** Visits what each matching policy says of the check described; charges nothing. */
  inspect(cost: number, nowUs: Micros, visit: VerdictVisitor): void {
    const view = this.#view;
    for (const [i, index] of view.policyIndices.entries()) {
      if (!this.#look(i, cost, nowUs)) continue;
      const dimension = view.dimensions[i] as number;
      const limiter = this.#looked[this.#lookedCount];
      visit(index, this.#one, limiter?.isAbout(this.highOf(dimension), this.lowOf(dimension)) === false);
    }
  }

  /** The keys of the check last evaluated, by where their homes are: for one that is to wait. */
  keysLooked(): { locals: LoanKey[]; remotes: LoanKey[] } {
    const keys = { locals: [] as LoanKey[], remotes: [] as LoanKey[] };
    for (let i = 0; i < this.#lookedCount; i += 1) {
      (this.#looked[i] === undefined ? keys.remotes : keys.locals).push(this.#keyLooked(i));
    }
    return keys;
  }

  /**
   * Forgets the key of the check described under one policy, if its home is open here; the journal must know
   * before that is told to anybody (`holds`).
   *
   * @returns whether its home is open here
   */
  forget(index: number, nowUs: Micros): boolean {
    const dimension = this.#view.dimensions[this.#view.policyIndices.indexOf(index)] ?? -1;
    const home = this.#homes[dimension] ?? -1;
    if (home < 0 || !this.table.isOpen(home)) return false;
    const hold = this.table.forget(home, index, this.highOf(dimension), this.lowOf(dimension), nowUs);
    if (hold !== undefined) this.holds.push(hold);
    return true;
  }

  /** Half of the identity, in one dimension, of the check described. */
  highOf(dimension: number): number {
    return this.#high[dimension] as number;
  }

  lowOf(dimension: number): number {
    return this.#low[dimension] as number;
  }

  /**
   * Evaluates the view's i-th policy into `#one` and notes it as looked at next; false when the check lacks
   * its dimension.
   */
  #look(i: number, cost: number, nowUs: Micros): boolean {
    const dimension = this.#view.dimensions[i] as number;
    const home = this.#homes[dimension] as number;
    if (home < 0) return false;
    const index = this.#view.policyIndices[i] as number;
    const high = this.#high[dimension] as number;
    const low = this.#low[dimension] as number;
    const place = this.#lookedCount;
    const keys = this.table.decided(home, nowUs);
    this.#standing = "covered";
    this.#doubt = FIRM;
    this.#beside = 0;
    this.#lookedPlace[place] = i;
    this.#looked[place] = undefined;
    this.#lookedBalance[place] = undefined;
    if (keys !== undefined) {
      const limiter = keys.limiter(index);
      limiter.quota = this.#view.quota;
      const held = this.lending === undefined ? 0 : this.lending.heldOf(index, high, low);
      if (held === 0) limiter.evaluate(high, low, cost, nowUs, this.#one);
      else this.#evaluateBeside(held, limiter, i, cost, nowUs);
      this.#looked[place] = limiter;
    } else if (this.lending !== undefined) {
      const { balances } = this.lending;
      const balance = balances.find(index, high, low);
      this.#standing = balances.look(balance, index, cost, nowUs, this.#one);
      this.#lookedBalance[place] = balance;
      if (this.#standing === "missing") this.#doubt = UNHEARD;
      else if (balance?.isDenialDoubtful === true) this.#doubt = ELSEWHERE;
    } else return false;
    this.#lookedLeft[place] = this.#one.remaining + this.#beside;
    return true;
  }

  /** Evaluates the view's i-th policy, of whose key some units are lent or spoken for. */
  #evaluateBeside(held: number, limiter: KeyedLimiter, i: number, cost: number, nowUs: Micros): void {
    const dimension = this.#view.dimensions[i] as number;
    const { capacity } = limiter.algorithm;
    const [high, low] = [this.#high[dimension] as number, this.#low[dimension] as number];
    const asked = unitsBeside(held, cost, capacity);
    limiter.evaluate(high, low, asked, nowUs, this.#one);
    const uncharged = this.#one.remaining + (this.#one.outcome === "allowed" ? asked : 0);
    judgeBeside(held, cost, capacity, this.#one);
    const lending = this.lending as Lending;
    const index = this.#view.policyIndices[i] as number;
    // A peek that finds nothing left cannot tell by how much.
    const isUnknown = cost === 0 && this.#one.remaining === 0;
    this.#beside = isUnknown ? -Infinity : lending.unreservedOf(held, limiter, index, high, low);
    if (this.#one.outcome !== "denied") return;
    if (uncharged >= cost) this.#doubt = LENT;
    lending.book.wantRecall(index, high, low);
  }

  /** Charges what the i-th look found: here, and told to the journal, or out of what is borrowed. */
  #charge(i: number, cost: number, nowUs: Micros, isOwed = false): void {
    const limiter = this.#looked[i];
    if (limiter === undefined) return this.#chargeElsewhere(i, cost, nowUs, isOwed);
    limiter.commit(isOwed ? reportedUnits(limiter, cost, nowUs, this.#one) : cost);
    const place = this.#lookedPlace[i] as number;
    const dimension = this.#view.dimensions[place] as number;
    const journal = this.table.journal(this.#homes[dimension] as number);
    const heavyKeys = journal?.heavyKeys(this.#view.policyIndices[place] as number);
    if (heavyKeys === undefined) return;
    const used = limiter.algorithm.capacity - (this.#lookedLeft[i] as number) - limiter.usedByUnseen();
    // What was charged may be a bucket that the key shares.
    const position = heavyKeys.charged(limiter.high, limiter.low, cost, used, nowUs);
    if (position > 0) this.holds.push({ heavyKeys, position });
  }

  #chargeElsewhere(i: number, cost: number, nowUs: Micros, isOwed: boolean): void {
    const { balances } = this.lending as Lending;
    const key = this.#keyLooked(i);
    const balance = this.#lookedBalance[i] ?? balances.open(key, nowUs);
    if (balance === undefined) return;
    // What was let through without rights is the home's to know of.
    if (isOwed || balances.look(balance, key.policyIndex, cost, nowUs, this.#one) !== "covered") {
      balances.owe(balance, cost, nowUs);
    } else {
      balances.spend(balance, cost, nowUs);
    }
  }

  #keyLooked(i: number): LoanKey {
    const place = this.#lookedPlace[i] as number;
    const dimension = this.#view.dimensions[place] as number;
    return {
      shard: this.#homes[dimension] as number,
      policyIndex: this.#view.policyIndices[place] as number,
      high: this.#high[dimension] as number,
      low: this.#low[dimension] as number,
      quota: this.#view.quota,
    };
  }

  #combine(index: number, cost: number): void {
    const { verdict } = this;
    const one = this.#one;
    // What is left when nothing is charged: an allowing verdict has already taken the cost off.
    const left = one.outcome === "allowed" ? one.remaining + cost : one.remaining;
    if (left < this.#least) this.#least = left;
    if (one.delayUs > verdict.delayUs) verdict.delayUs = one.delayUs;
    if (this.tightest >= 0) {
      // Refusals outrank permissions, a longer wait outranks a shorter one, less left outranks more.
      const isTighter =
        one.retryAfterUs > verdict.retryAfterUs ||
        (verdict.retryAfterUs === 0 && one.retryAfterUs === 0 && one.remaining < verdict.remaining);
      if (!isTighter) return;
    }
    const { delayUs } = verdict;
    verdict.copyFrom(one);
    verdict.delayUs = delayUs;
    this.tightest = index;
  }

  #startCheck(tenant: string): TenantView {
    const view = tenant === this.#view.tenant ? this.#view : this.tenants.of(tenant);
    this.#view = view;
    this.#homes[USER] = -1;
    this.#homes[KEY] = -1;
    this.#high[ORG] = view.orgHigh;
    this.#low[ORG] = view.orgLow;
    this.#homes[ORG] = view.orgShard;
    this.#high[GLOBAL] = view.globalHigh;
    this.#low[GLOBAL] = view.globalLow;
    this.#homes[GLOBAL] = view.globalShard;
    return view;
  }

  #place(dimension: number, identity: IdentityHash, placement: number): void {
    this.#high[dimension] = identity.high;
    this.#low[dimension] = markedLow(identity.high, identity.low, this.#view.quota.tenant);
    this.#homes[dimension] = placement % this.shards;
  }

  #settleHome(): void {
    const user = this.#homes[USER] as number;
    const key = this.#homes[KEY] as number;
    this.home = user >= 0 ? user : key >= 0 ? key : (this.#homes[ORG] as number);
  }
}
