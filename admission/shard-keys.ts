/**
 * The keys of one shard: one keyed limiter per policy, made when the first key of that policy arrives.
 *
 * When the policies change, a shard takes them over the next time it is touched: limiters of a policy whose
 * algorithm and window stayed the same are retuned and keep every key's debt; the others start afresh.
 *
 * A shard moves to another process as state pages while it goes on deciding:
 *
 *      giver    startTracking ─▶ writePage … ─▶ writeDirtyPage … ─▶ (decides no more) writeDirtyPage … ─▶ dispose
 *      taker    adoptPage, in that order ─▶ adopt(own policies)
 *
 * or out of a journal, which then says `recover` for what was spent and not written. Pages carry the numbers
 * they were written under; keys are decided under those until `adopt`, which the first check sees to, since
 * `revision` is −1 until then.
 */
import type { Algorithm, AlgorithmParams } from "../algorithms/algorithm.ts";
import { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import { KeySet } from "../algorithms/key-set.ts";
import { highOf, lowOf } from "../algorithms/key-table.ts";
import type { KeyCensus } from "../algorithms/key-census.ts";
import type { MemoryBudget } from "../algorithms/memory-budget.ts";
import { canRetune, createAlgorithm, isSameParams } from "../algorithms/registry.ts";
import type { PageOf, StatePageWriter } from "../algorithms/state-page.ts";
import type { StatePageReader } from "../algorithms/state-page-reader.ts";
import type { Micros } from "../core/units.ts";
import { horizonUs } from "./durability.ts";
import { ForgottenKeys } from "./forgotten-keys.ts";
import type { Policy } from "./policy.ts";
import type { PolicySet } from "./policy-set.ts";
import { ReservedKeys } from "./reserved-keys.ts";

/** Looked at per sweep call and limiter: some ten microseconds' worth. */
const SWEEP_SLOTS = 512;
/** A sliding window, the slowest to forget, does so within two. */
const HORIZONS_FELT = 2;
const REVISION_FOREIGN = -1;

export interface ShardUsage {
  keys: number;
  bytes: number;
  evictedLive: number;
  overflowed: number;
}

/** Where a walk over all keys of a shard stands. */
export interface KeyWalk {
  /** Index of the policy whose keys are being written, and where in hash order. */
  index: number;
  from: number;
  /** Of the policies at the start: a walk that they change under starts again. */
  revision: number;
  isDone: boolean;
}

/** One policy's keys, and the numbers they are decided under. */
interface Holding {
  readonly limiter: KeyedLimiter;
  readonly params: AlgorithmParams;
  /** Keys charged since they were last written, while that is tracked. */
  readonly dirty: KeySet | undefined;
  readonly forgotten: ForgottenKeys;
}

export class ShardKeys {
  readonly shard: number;
  /** Entries of adopted pages whose policy is not in force here. */
  droppedEntries = 0;

  readonly #budget: MemoryBudget;
  readonly #census: KeyCensus | undefined;
  /** This shard's place in the growth cycle of all shards, 0 … 1. */
  readonly #stagger: number;
  #policies: PolicySet;
  #revision: number;
  /** By index into `#policies.policies`; the limiters again, for whoever decides. */
  #holdings: (Holding | undefined)[] = [];
  #limiters: (KeyedLimiter | undefined)[] = [];
  /** What `dispose` has still to drop. */
  #leaving: Holding[] | undefined;
  #sweepNext = 0;
  /** Out of a journal, until `recover` charges it. */
  readonly #reserved = new ReservedKeys();
  #retiredEvictions = 0;
  #retiredOverflows = 0;

  #isTracking = false;
  /** Whether the policies have changed since: a key that is gone may have drained faster than pages say. */
  #hasAdopted = false;
  /** Where the round of dirty pages stands. */
  #dirtyIndex = 0;
  #dirtyFrom = 0;

  /** @param census of all keys of the process; without it no tenant is ever full */
  constructor(shard: number, stagger: number, policies: PolicySet, budget: MemoryBudget, census?: KeyCensus) {
    this.shard = shard;
    this.#stagger = stagger;
    this.#policies = policies;
    this.#revision = policies.revision;
    this.#budget = budget;
    this.#census = census;
  }

  limiter(index: number): KeyedLimiter {
    return this.#limiters[index] ?? this.#open(index).limiter;
  }

  /** Of the policies in force; −1 while some keys are decided under numbers they came with. */
  get revision(): number {
    return this.#revision;
  }

  /** Puts other policies in force for this shard's keys. Cost: one pass over the retuned tables. */
  adopt(policies: PolicySet, nowUs: Micros): void {
    const byName = new Map<string, { policy: Policy; holding: Holding }>();
    for (const [index, holding] of this.#holdings.entries()) {
      const policy = this.#policies.policies[index] as Policy;
      if (holding !== undefined) byName.set(policy.name, { policy, holding });
    }
    const kept: { index: number; holding: Holding; params: Policy; algorithm: Algorithm | undefined }[] = [];
    for (const [index, after] of policies.policies.entries()) {
      const before = byName.get(after.name);
      if (before === undefined || before.policy.dimension !== after.dimension) continue;
      const { holding } = before;
      const isSame = isSameParams(holding.params, after);
      if (!isSame && !canRetune(holding.params, after)) continue;
      // Throws for impossible numbers; nothing has been touched by then.
      const algorithm = isSame ? undefined : createAlgorithm(after, holding.limiter.algorithm);
      kept.push({ index, holding, params: after, algorithm });
      byName.delete(after.name);
    }
    for (const { holding } of byName.values()) this.#retire(holding);
    this.#policies = policies;
    this.#holdings = [];
    this.#limiters = [];
    for (const { index, holding, params, algorithm } of kept) {
      if (algorithm !== undefined) holding.limiter.retune(algorithm, nowUs);
      this.#hold(index, { ...holding, params });
      const { limiter, dirty } = holding;
      // Debt drains at another rate from this moment on, and the places of a walk mean other policies.
      if (dirty === undefined) continue;
      dirty.reserve(limiter.keys);
      limiter.forEachKey((high, low) => dirty.add(high, low));
    }
    this.#revision = policies.revision;
    this.#hasAdopted = true;
    this.#sweepNext = 0;
    this.#dirtyIndex = 0;
    this.#dirtyFrom = 0;
  }

  /** Drops some idle keys of the next limiter in turn. */
  sweep(nowUs: Micros): void {
    if (this.#limiters.length === 0) return;
    this.#sweepNext = (this.#sweepNext + 1) % this.#limiters.length;
    const holding = this.#holdings[this.#sweepNext];
    if (holding === undefined) return;
    holding.limiter.sweep(nowUs, SWEEP_SLOTS);
    holding.forgotten.expire(nowUs, HORIZONS_FELT * horizonUs(holding.params));
  }

  /** Lets every limiter know how late it is. */
  moveOn(nowUs: Micros): void {
    for (const limiter of this.#limiters) limiter?.sweep(nowUs, 0);
  }

  /** Keys held for one policy. */
  keysOf(index: number): number {
    return this.#limiters[index]?.keys ?? 0;
  }

  usage(): ShardUsage {
    const usage = {
      keys: 0,
      bytes: 0,
      evictedLive: this.#retiredEvictions,
      overflowed: this.#retiredOverflows,
    };
    for (const limiter of this.#limiters) {
      if (limiter === undefined) continue;
      usage.keys += limiter.keys;
      usage.bytes += limiter.bytes();
      usage.evictedLive += limiter.evictedLive;
      usage.overflowed += limiter.overflowed;
    }
    return usage;
  }

  /** Makes a key one that was never seen, here and in every page that is still to be written. */
  forget(index: number, high: number, low: number, nowUs: Micros): void {
    const { limiter, forgotten } = this.#holdings[index] ?? this.#open(index);
    // First: whoever is told of it below may write it at once.
    forgotten.add(high, low, nowUs);
    limiter.forget(high, low, nowUs);
  }

  /** Adds one key to a page begun by `beginPage` as it stands now. @returns false when the page is full */
  writeKey(index: number, high: number, low: number, page: StatePageWriter, reserved = 0): boolean {
    const { limiter, forgotten } = this.#holdings[index] ?? this.#open(index);
    const isUnseen = this.#hasAdopted || forgotten.has(high, low);
    return limiter.writeKey(high, low, page, isUnseen, reserved);
  }

  /** Begins a page of one policy's keys, to be filled by `writeKey`. */
  beginPage(index: number, page: StatePageWriter, of?: PageOf): void {
    const { limiter, params } = this.#holdings[index] ?? this.#open(index);
    limiter.beginPage(page, (this.#policies.policies[index] as Policy).name, params, of);
  }

  /** A walk that has not begun; `writePage` takes it on. */
  newWalk(): KeyWalk {
    return { index: 0, from: 0, revision: this.#policies.revision, isDone: false };
  }

  /**
   * Writes the walk's next page, of keys of one policy in hash order; to be called until `walk.isDone`. May be
   * called between decisions. A page that comes out with `count` 0 has nothing to send.
   */
  writePage(walk: KeyWalk, page: StatePageWriter): void {
    page.clear();
    if (walk.revision !== this.#policies.revision) {
      // When tracked, every key kept is dirty now: the rest of the walk is done by dirty pages.
      const isDone = this.#isTracking;
      Object.assign(walk, { index: 0, from: 0, revision: this.#policies.revision, isDone });
    }
    while (!walk.isDone) {
      const limiter = this.#limiters[walk.index];
      if (limiter !== undefined) {
        this.beginPage(walk.index, page);
        walk.from = limiter.writePage(walk.from, page);
        if (walk.from > 0) return;
      }
      walk.from = 0;
      walk.index += 1;
      walk.isDone = walk.index >= this.#limiters.length;
      if (page.count > 0) return;
    }
  }

  /** From now on every key that is charged is dirty, until `stopTracking`. Memory: 11 bytes a dirty key. */
  startTracking(): void {
    this.stopTracking();
    this.#isTracking = true;
    this.#hasAdopted = false;
    for (const [index, holding] of this.#holdings.entries()) {
      if (holding !== undefined) this.#hold(index, { ...holding, dirty: new KeySet(this.#budget) });
    }
    this.#dirtyIndex = 0;
    this.#dirtyFrom = 0;
  }

  stopTracking(): void {
    this.#isTracking = false;
    for (const [index, holding] of this.#holdings.entries()) {
      if (holding?.dirty === undefined) continue;
      holding.dirty.dispose();
      this.#hold(index, { ...holding, dirty: undefined });
    }
  }

  /** Keys charged since they were last written. */
  get dirtyKeys(): number {
    return this.#holdings.reduce((sum, holding) => sum + (holding?.dirty?.size ?? 0), 0);
  }

  /**
   * Writes a page of dirty keys of one policy as they stand now; they are dirty no more. A key that is gone is
   * left out, as what was written of it has drained as well; not so if it was forgotten, or the policies changed.
   *
   * @returns false when nothing is dirty; a page that comes out with `count` 0 has nothing to send
   */
  writeDirtyPage(page: StatePageWriter): boolean {
    page.clear();
    for (let looks = 0; looks <= this.#holdings.length; looks += 1) {
      const { dirty } = this.#holdings[this.#dirtyIndex] ?? {};
      if (dirty !== undefined && dirty.size > 0) {
        this.beginPage(this.#dirtyIndex, page);
        this.#writeDirty(dirty, page);
        return true;
      }
      this.#dirtyFrom = 0;
      this.#dirtyIndex = (this.#dirtyIndex + 1) % Math.max(1, this.#holdings.length);
    }
    return false;
  }

  /**
   * Takes over the keys of an opened page; keys that are here already are overwritten. Pages of one writer go
   * in the order of writing. A policy not in force here is dropped and counted; a page under numbers that keys
   * cannot go on under (another algorithm, another window) puts its keys in the place of those before.
   *
   * @returns keys that have a place of their own now
   */
  adoptPage(page: StatePageReader, nowUs: Micros): number {
    const index = this.#policies.policies.findIndex(({ name }) => name === page.policy);
    if (index < 0) {
      this.droppedEntries += page.count;
      return 0;
    }
    const { limiter } = this.#holdingFor(index, page.params, nowUs);
    if (!isSameParams(page.params, this.#policies.policies[index] as Policy))
      this.#revision = REVISION_FOREIGN;
    this.#reserved.note(index, page);
    return limiter.adoptPage(page, nowUs);
  }

  /**
   * After a crash: what was spent and not written. Every key here is charged so many units at `atUs`, and a key
   * first seen later starts as one that was (KeyedLimiter.setArrears); then each what was reserved of it, once.
   * After all pages, before the first check; where there are none, every key is charged.
   *
   * @param unitsOf what one key may have spent; nothing matters where `onCrash` lets every key start afresh
   */
  recover(atUs: Micros, unitsOf: (policy: Policy) => number): void {
    for (const [index, policy] of this.#policies.policies.entries()) {
      const units = unitsOf(policy);
      // Also of what a clean end before wrote down of every key: it is not kept up to date.
      if (policy.onCrash === "fresh") this.#limiters[index]?.clear();
      if (units <= 0) continue;
      const { limiter } = this.#holdings[index] ?? this.#open(index);
      limiter.chargeAll({ units, atUs });
      limiter.setArrears({ units, atUs });
      this.#reserved.charge(index, limiter, atUs);
    }
    this.#reserved.clear();
  }

  /**
   * Forgets everything: from the first call on there are no keys here. Each call drops those of so many slots of one
   * limiter, and gives its memory back with the last of them. @returns whether that was all
   */
  dispose(slots: number): boolean {
    this.#leaving ??= this.#holdings.filter((holding) => holding !== undefined);
    this.#holdings = [];
    this.#limiters = [];
    const last = this.#leaving.at(-1);
    if (last?.limiter.dispose(slots) === true) {
      last.dirty?.dispose();
      last.forgotten.clear();
      this.#leaving.pop();
    }
    return this.#leaving.length === 0;
  }

  #writeDirty(dirty: KeySet, page: StatePageWriter): void {
    // Goes round in hash order, so that a key charged all the time does not keep the others waiting.
    for (;;) {
      const place = dirty.nextFrom(this.#dirtyFrom);
      if (place < 0) break;
      this.#dirtyFrom = place;
      if (!this.writeKey(this.#dirtyIndex, highOf(place), lowOf(place), page)) return;
      dirty.delete(highOf(place), lowOf(place));
    }
    this.#dirtyFrom = 0;
    this.#dirtyIndex = (this.#dirtyIndex + 1) % this.#holdings.length;
  }

  /** The policy's keys, decided under just these numbers. */
  #holdingFor(index: number, params: AlgorithmParams, nowUs: Micros): Holding {
    const held = this.#holdings[index];
    if (held !== undefined && isSameParams(held.params, params)) return held;
    if (held !== undefined && canRetune(held.params, params)) {
      held.limiter.retune(createAlgorithm(params, held.limiter.algorithm), nowUs);
      return this.#hold(index, { ...held, params });
    }
    if (held !== undefined) this.#retire(held);
    return this.#openWith(index, params);
  }

  #open(index: number): Holding {
    return this.#openWith(index, this.#policies.policies[index] as Policy);
  }

  #openWith(index: number, params: AlgorithmParams): Holding {
    const { dimension } = this.#policies.policies[index] as Policy;
    // An organisation is one key, and so is everybody: nobody is full of those.
    const census = dimension === "user" || dimension === "key" ? this.#census : undefined;
    const options = { stagger: this.#stagger, budget: this.#budget, census };
    const limiter = new KeyedLimiter(createAlgorithm(params), options);
    const dirty = this.#isTracking ? new KeySet(this.#budget) : undefined;
    return this.#hold(index, { limiter, params, dirty, forgotten: new ForgottenKeys(this.#budget) });
  }

  /** Puts a holding in its place, its limiter telling what becomes dirty. */
  #hold(index: number, holding: Holding): Holding {
    const { limiter, dirty } = holding;
    this.#holdings[index] = holding;
    this.#limiters[index] = limiter;
    limiter.track(dirty === undefined ? undefined : (high, low) => dirty.add(high, low));
    return holding;
  }

  #retire({ limiter, dirty, forgotten }: Holding): void {
    this.#retiredEvictions += limiter.evictedLive;
    this.#retiredOverflows += limiter.overflowed;
    limiter.dispose();
    dirty?.dispose();
    forgotten.clear();
  }
}
