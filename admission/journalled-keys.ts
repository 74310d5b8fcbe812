/**
 * What of a shard's keys the journal must know: for each policy with a long horizon the keys that are heavy
 * (heavy-keys.ts), and the pages that carry them.
 *
 *      decision ─▶ heavyKeys(policy).charged ─▶ 0: answer now
 *                                        └─────▶ a position: answer once `journalled` has come there
 *      journal  ─▶ takeDue ─▶ pages ─▶ (written) ─▶ acked
 *
 * The keys themselves stay in ShardKeys; a page is written from there, as they stand at that moment, and with
 * it what is reserved of them (reservations.ts). A snapshot begins with the keys of which anything is, since
 * they need not be in any table.
 */
import type { MemoryBudget } from "../algorithms/memory-budget.ts";
import { isSameParams } from "../algorithms/registry.ts";
import { StatePageWriter } from "../algorithms/state-page.ts";
import { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";
import { crashBudget, horizonUs } from "./durability.ts";
import { HeavyKeys, type HeavyKeysOptions } from "./heavy-keys.ts";
import type { LoanKey } from "./loan.ts";
import type { Policy } from "./policy.ts";
import type { PolicySet } from "./policy-set.ts";
import type { Reservations } from "./reservations.ts";
import type { KeyWalk, ShardKeys } from "./shard-keys.ts";

/** An entry that was not charged for so many horizons is of no more use. */
const HORIZONS_IDLE = 2;
/** Looked at per sweep call and policy. */
const SWEEP_SLOTS = 128;

/** A charge whose answer waits until the journal has come to a position. */
export interface JournalHold {
  readonly heavyKeys: HeavyKeys;
  readonly position: number;
}

export interface JournalledKeysOptions {
  /** 0 … 1, this shard's place in the growth cycle of all shards. */
  readonly stagger: number;
  readonly budget: MemoryBudget;
  /** Absent where nothing is lent. */
  readonly reservations?: Reservations | undefined;
}

export class JournalledKeys {
  readonly #keys: ShardKeys;
  readonly #options: JournalledKeysOptions;
  #policies: PolicySet;
  /** By policy index; undefined where nothing is journalled. */
  #heavy: (HeavyKeys | undefined)[] = [];
  #walk: KeyWalk | undefined;
  #isWalkOfAll = false;
  /** Keys that the snapshot has still to begin with; undefined before they are listed. */
  #reservedLeft: LoanKey[] | undefined = [];
  #sweepNext = 0;

  constructor(keys: ShardKeys, policies: PolicySet, options: JournalledKeysOptions) {
    this.#keys = keys;
    this.#policies = policies;
    this.#options = options;
    this.#heavy = policies.policies.map((policy) => this.#heavyOf(policy));
  }

  /** Who is told of charges under a policy; undefined when nothing of it is journalled. */
  heavyKeys(policyIndex: number): HeavyKeys | undefined {
    return this.#heavy[policyIndex];
  }

  /** The journal knows every key as it stands: after a recovery. Cost: a pass over the journalled policies. */
  recovered(nowUs: Micros): void {
    // What has become idle goes now: looking at a key lets it go, and must not while the keys are walked.
    this.#keys.moveOn(nowUs);
    const verdict = new Verdict();
    for (const [index, heavy] of this.#heavy.entries()) {
      if (heavy === undefined) continue;
      const limiter = this.#keys.limiter(index);
      const { capacity } = limiter.algorithm;
      limiter.forEachKey((high, low) => {
        limiter.evaluate(high, low, 0, nowUs, verdict);
        if (!heavy.isLight(capacity - verdict.remaining)) heavy.recovered(high, low, nowUs);
      });
    }
  }

  /** Puts other policies in force. The journal needs a snapshot afterwards: what it holds has other numbers. */
  adopt(policies: PolicySet): void {
    const byName = new Map(this.#policies.policies.map((policy, index) => [policy.name, { policy, index }]));
    const before = this.#heavy;
    this.#heavy = policies.policies.map((policy) => {
      const known = byName.get(policy.name);
      const heavy = known === undefined ? undefined : before[known.index];
      const isKept =
        heavy !== undefined &&
        known !== undefined &&
        known.policy.dimension === policy.dimension &&
        isSameParams(known.policy, policy) &&
        crashBudget(policy).isJournalled;
      if (!isKept) return this.#heavyOf(policy);
      before[known.index] = undefined;
      return heavy;
    });
    for (const heavy of before) heavy?.dispose();
    this.#policies = policies;
    this.#reservedLeft = undefined;
    this.#sweepNext = 0;
  }

  sweep(nowUs: Micros): void {
    if (this.#heavy.length === 0) return;
    this.#sweepNext = (this.#sweepNext + 1) % this.#heavy.length;
    this.#heavy[this.#sweepNext]?.sweep(nowUs, SWEEP_SLOTS);
  }

  dispose(): void {
    for (const heavy of this.#heavy) heavy?.dispose();
    this.#heavy = [];
  }

  isDue(): boolean {
    return this.#heavy.some((heavy) => heavy?.isDue === true);
  }

  /** Keys that wait to be written. */
  get due(): number {
    return this.#heavy.reduce((sum, heavy) => sum + (heavy?.due ?? 0), 0);
  }

  /** Due keys as pages, of about `bytesMax` together. They are in flight until `acked`. */
  takeDue(bytesMax: number): readonly Uint8Array[] {
    const pages: Uint8Array[] = [];
    const { reservations } = this.#options;
    let left = bytesMax;
    for (const [index, heavy] of this.#heavy.entries()) {
      if (heavy?.isDue !== true || left <= 0) continue;
      const page = new StatePageWriter({ bytes: left });
      this.#keys.beginPage(index, page, reservations?.hasReserved === true ? "reserved" : "some");
      heavy.take((high, low) => this.#writeKey(index, high, low, page));
      left -= page.bytes;
      if (page.count > 0) pages.push(page.finish());
    }
    return pages;
  }

  acked(): void {
    for (const heavy of this.#heavy) heavy?.acked();
  }

  /** What was taken and not acked is due again. */
  lost(): void {
    for (const heavy of this.#heavy) heavy?.lost();
  }

  /** The journal has been lost: every key that it may have known is due. */
  invalidate(): void {
    for (const [index, heavy] of this.#heavy.entries()) {
      heavy?.invalidate(heavyOptions(this.#policies.policies[index] as Policy));
    }
  }

  /** Starts a walk over the keys of the journalled policies, or over all. */
  startSnapshot(ofAll: boolean): void {
    this.#walk = this.#keys.newWalk();
    this.#isWalkOfAll = ofAll;
    this.#reservedLeft = undefined;
  }

  /** The walk's next pages, about `bytesMax` together; undefined at its end. */
  nextSnapshotPages(bytesMax: number): readonly Uint8Array[] | undefined {
    const walk = this.#walk;
    if (walk === undefined) return undefined;
    const page = new StatePageWriter({ bytes: bytesMax });
    if (this.#writeReserved(page)) return [page.finish()];
    if (walk.isDone) return undefined;
    const index = walk.index;
    if (!this.#isWalkOfAll && this.#heavy[index] === undefined) {
      walk.index += 1;
      walk.from = 0;
      walk.isDone = walk.index >= this.#heavy.length;
      return [];
    }
    this.#keys.writePage(walk, page);
    return page.count > 0 ? [page.finish()] : [];
  }

  #writeKey(index: number, high: number, low: number, page: StatePageWriter): boolean {
    const reserved = this.#options.reservations?.reservedOf(index, high, low);
    return this.#keys.writeKey(index, high, low, page, reserved);
  }

  /** A page of one policy's keys of which anything is reserved. @returns whether there are any left */
  #writeReserved(page: StatePageWriter): boolean {
    const left = (this.#reservedLeft ??= [
      ...(this.#options.reservations?.reservedKeys(this.#keys.shard) ?? []),
    ]);
    const index = left.at(-1)?.policyIndex;
    if (index === undefined) return false;
    this.#keys.beginPage(index, page, "reserved");
    for (let key = left.at(-1); key?.policyIndex === index; key = left.at(-1)) {
      if (!this.#writeKey(index, key.high, key.low, page)) break;
      left.pop();
    }
    return true;
  }

  #heavyOf(policy: Policy): HeavyKeys | undefined {
    if (!crashBudget(policy).isJournalled) return undefined;
    const { stagger, budget } = this.#options;
    return new HeavyKeys({ ...heavyOptions(policy), stagger, budget });
  }
}

function heavyOptions(policy: Policy): HeavyKeysOptions {
  const { unjournalledMax } = crashBudget(policy);
  return { unjournalledMax, idleAfterUs: HORIZONS_IDLE * horizonUs(policy) };
}
