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
import type { MemoryBudget } from "../algorithms/memory-budget.ts";
import { Verdict } from "../core/decision.ts";
import { fnv1aBytes, fnv1aString } from "../core/fnv1a.ts";
import { IdentityHash } from "../core/half-sip-hash.ts";
import type { Micros } from "../core/units.ts";
import type { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import type { HeavyKeys } from "./heavy-keys.ts";
import { JournalledKeys } from "./journalled-keys.ts";
import { ShardKeys, type ShardUsage } from "./shard-keys.ts";
import type { PolicySet } from "./policy-set.ts";
import { GLOBAL, KEY, ORG, TenantView, USER } from "./tenant-view.ts";

/** Tenants remembered; beyond that the cache starts over, so that inventing tenants costs us no memory. */
const TENANT_VIEWS_MAX = 4_096;

export interface ClusterSecret {
  readonly high: number;
  readonly low: number;
}

/** A charge whose answer waits until the journal has come to a position. */
export interface JournalHold {
  readonly heavyKeys: HeavyKeys;
  readonly position: number;
}

export interface AdmissionOptions {
  readonly shards: number;
  /** Seed of the identity hash, the same in every process that may own these keys. */
  readonly secret: ClusterSecret;
  readonly policies: PolicySet;
  readonly budget: MemoryBudget;
}

export class Admission {
  readonly shards: number;
  /** The combined answer of the last evaluate. */
  readonly verdict = new Verdict();
  /** Index of the tightest policy in the set, −1 when none applied. */
  tightest = -1;
  /** Home shard of the check described, by its finest dimension. */
  home = 0;
  /** Charges that the journal must know before their answers go out; emptied by whoever answers. */
  readonly holds: JournalHold[] = [];

  #policies: PolicySet;
  readonly #hash: IdentityHash;
  readonly #budget: MemoryBudget;
  /** By shard; undefined where the home is another process. */
  readonly #keys: (ShardKeys | undefined)[];
  /** By shard; undefined where nothing is journalled. */
  readonly #journals: (JournalledKeys | undefined)[];
  readonly #views = new Map<string, TenantView>();
  #sweepNext = 0;

  // The check described: identity and home by dimension; an absent dimension has home −1.
  readonly #high = new Int32Array(4);
  readonly #low = new Int32Array(4);
  readonly #homes = new Int32Array(4);
  #view: TenantView;

  // What the last evaluate looked at, in order, for the commit: limiter, place in the view, units left.
  readonly #looked: KeyedLimiter[] = [];
  readonly #lookedPlace: number[] = [];
  readonly #lookedLeft: number[] = [];
  #lookedCount = 0;
  readonly #one = new Verdict();
  /** Least left under any policy looked at, were the check refused. */
  #least = Infinity;

  constructor(options: AdmissionOptions) {
    this.shards = options.shards;
    this.#policies = options.policies;
    this.#hash = new IdentityHash(options.secret.high, options.secret.low);
    this.#budget = options.budget;
    this.#keys = Array.from({ length: options.shards }, () => undefined);
    this.#journals = Array.from({ length: options.shards }, () => undefined);
    this.#view = this.#viewOf("");
  }

  /** One that decides everything: every shard is open. */
  static whole(options: AdmissionOptions): Admission {
    const admission = new Admission(options);
    for (let shard = 0; shard < options.shards; shard += 1) admission.open(shard, admission.newKeys(shard));
    return admission;
  }

  /** Keys for a shard, to be filled before it is opened. */
  newKeys(shard: number): ShardKeys {
    return new ShardKeys(shard, shard / this.shards, this.#policies, this.#budget);
  }

  /**
   * From now on the shard's keys are decided here.
   *
   * @param isJournalled whether `journal` is to be kept of them
   */
  open(shard: number, keys: ShardKeys, isJournalled = false): void {
    this.#keys[shard] = keys;
    if (!isJournalled) return;
    this.#journals[shard] = new JournalledKeys(keys, this.#policies, shard / this.shards, this.#budget);
  }

  /** Lets go of a shard and forgets its keys. */
  close(shard: number): void {
    this.#keys[shard]?.clear();
    this.#keys[shard] = undefined;
    this.#journals[shard]?.dispose();
    this.#journals[shard] = undefined;
  }

  /** Undefined when the shard is not open. */
  keys(shard: number): ShardKeys | undefined {
    return this.#keys[shard];
  }

  /** What of an open shard the journal must know; undefined when it keeps none. */
  journal(shard: number, nowUs: Micros): JournalledKeys | undefined {
    // Its pages are written under the policies in force.
    if (this.#journals[shard] !== undefined) this.#keysOf(shard, nowUs);
    return this.#journals[shard];
  }

  isOpen(shard: number): boolean {
    return this.#keys[shard] !== undefined;
  }

  get policies(): PolicySet {
    return this.#policies;
  }

  /** Puts other policies in force. Each shard takes its keys over when it is next touched. */
  adopt(policies: PolicySet): void {
    this.#policies = policies;
    for (const journal of this.#journals) journal?.adopt(policies);
    this.#views.clear();
    this.#view = this.#viewOf("");
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

  /** Evaluates the check described and, when every policy allows it, charges all of them. */
  decide(cost: number, nowUs: Micros): void {
    this.evaluate(cost, nowUs);
    if (this.verdict.outcome !== "allowed" || cost === 0) return;
    for (let i = 0; i < this.#lookedCount; i += 1) this.#charge(i, cost, nowUs);
  }

  /** Writes the combined verdict of the check described; charges nothing. */
  evaluate(cost: number, nowUs: Micros): void {
    const { verdict } = this;
    const view = this.#view;
    this.tightest = -1;
    this.#lookedCount = 0;
    verdict.outcome = "allowed";
    verdict.limit = 0;
    verdict.remaining = 0;
    verdict.retryAfterUs = 0;
    verdict.resetAfterUs = 0;
    verdict.delayUs = 0;
    this.#least = Infinity;
    for (let i = 0; i < view.policyIndices.length; i += 1) {
      const limiter = this.#look(i, cost, nowUs);
      if (limiter === undefined) continue;
      this.#looked[this.#lookedCount] = limiter;
      this.#lookedPlace[this.#lookedCount] = i;
      this.#lookedLeft[this.#lookedCount] = this.#one.remaining;
      this.#lookedCount += 1;
      this.#combine(view.policyIndices[i] as number, cost);
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
      this.#charge(i, cost, nowUs);
    }
    this.evaluate(0, nowUs);
  }

  /** Visits what each matching policy says of the check described; charges nothing. */
  inspect(cost: number, nowUs: Micros, visit: (policyIndex: number, verdict: Verdict) => void): void {
    const view = this.#view;
    for (const [i, index] of view.policyIndices.entries()) {
      if (this.#look(i, cost, nowUs) !== undefined) visit(index, this.#one);
    }
  }

  /** Forgets the key of the check described under one policy, if its home is open here. @returns whether it is */
  forget(index: number, nowUs: Micros): boolean {
    const i = this.#view.policyIndices.indexOf(index);
    const limiter = i < 0 ? undefined : this.#look(i, 0, nowUs);
    if (limiter === undefined) return false;
    const dimension = this.#view.dimensions[i] as number;
    limiter.forget(this.#high[dimension] as number, this.#low[dimension] as number);
    return true;
  }

  /** Half of the identity, in one dimension, of the check described. */
  highOf(dimension: number): number {
    return this.#high[dimension] as number;
  }

  lowOf(dimension: number): number {
    return this.#low[dimension] as number;
  }

  /** Drops some idle keys of the next shard in turn. */
  sweep(nowUs: Micros): void {
    this.#sweepNext = (this.#sweepNext + 1) % this.shards;
    this.#keysOf(this.#sweepNext, nowUs)?.sweep(nowUs);
    this.#journals[this.#sweepNext]?.sweep(nowUs);
  }

  /** @param shard one that is open */
  usage(shard: number): ShardUsage {
    return (this.#keys[shard] as ShardKeys).usage();
  }

  /** Keys held for one policy over all open shards. */
  keysOfPolicy(index: number): number {
    let sum = 0;
    for (const keys of this.#keys) {
      if (keys?.revision === this.#policies.revision) sum += keys.keysOf(index);
    }
    return sum;
  }

  /** Evaluates the view's i-th policy into `#one`; undefined when the check lacks its dimension. */
  #look(i: number, cost: number, nowUs: Micros): KeyedLimiter | undefined {
    const dimension = this.#view.dimensions[i] as number;
    const home = this.#homes[dimension] as number;
    if (home < 0) return undefined;
    const keys = this.#keysOf(home, nowUs);
    if (keys === undefined) return undefined;
    const limiter = keys.limiter(this.#view.policyIndices[i] as number);
    limiter.evaluate(this.#high[dimension] as number, this.#low[dimension] as number, cost, nowUs, this.#one);
    return limiter;
  }

  /** Charges what the i-th look found, and tells the journal. */
  #charge(i: number, cost: number, nowUs: Micros): void {
    const limiter = this.#looked[i] as KeyedLimiter;
    limiter.commit(cost);
    const place = this.#lookedPlace[i] as number;
    const dimension = this.#view.dimensions[place] as number;
    const journal = this.#journals[this.#homes[dimension] as number];
    if (journal === undefined) return;
    const policyIndex = this.#view.policyIndices[place] as number;
    if (!journal.isTold(policyIndex)) return;
    const used = limiter.algorithm.capacity - (this.#lookedLeft[i] as number);
    const [high, low] = [this.#high[dimension] as number, this.#low[dimension] as number];
    const position = journal.charged(policyIndex, high, low, cost, used, nowUs);
    if (position > 0) this.holds.push({ heavyKeys: journal.heavyKeys(policyIndex), position });
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

  #keysOf(shard: number, nowUs: Micros): ShardKeys | undefined {
    const keys = this.#keys[shard];
    if (keys !== undefined && keys.revision !== this.#policies.revision) keys.adopt(this.#policies, nowUs);
    return keys;
  }

  #startCheck(tenant: string): TenantView {
    const view = tenant === this.#view.tenant ? this.#view : this.#viewOf(tenant);
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
    this.#low[dimension] = identity.low;
    this.#homes[dimension] = placement % this.shards;
  }

  #settleHome(): void {
    const user = this.#homes[USER] as number;
    const key = this.#homes[KEY] as number;
    this.home = user >= 0 ? user : key >= 0 ? key : (this.#homes[ORG] as number);
  }

  #viewOf(tenant: string): TenantView {
    let view = this.#views.get(tenant);
    if (view === undefined) {
      if (this.#views.size >= TENANT_VIEWS_MAX) this.#views.clear();
      view = new TenantView(tenant, this.#policies, this.#hash, this.shards);
      this.#views.set(tenant, view);
    }
    return view;
  }
}
