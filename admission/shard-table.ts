/**
 * The shards of this process: which of them it decides, their keys, and what of those the journal must know.
 *
 *      newKeys ─▶ (filled) ─▶ open ─▶ decided here ─▶ freeze ─▶ on its way out ─▶ close
 *                                          ▲────── thaw ──────┘
 */
import { KeyCensus } from "../algorithms/key-census.ts";
import type { MemoryBudget } from "../algorithms/memory-budget.ts";
import type { Micros } from "../core/units.ts";
import { JournalledKeys, type JournalHold } from "./journalled-keys.ts";
import type { PolicySet } from "./policy-set.ts";
import type { Reservations } from "./reservations.ts";
import { ShardKeys, type ShardUsage } from "./shard-keys.ts";

/** Dropped of keys that were let go, per sweep: a fraction of a millisecond's worth. */
const DISPOSED_SLOTS = 4_096;

export class ShardTable {
  readonly shards: number;
  /** Who holds how many of the keys of all shards that are here, on their way in or out as well. */
  readonly census = new KeyCensus();
  /** What is reserved of keys here; undefined where nothing is ever lent. */
  reservations: Reservations | undefined;
  readonly #budget: MemoryBudget;
  #policies: PolicySet;
  /** By shard; undefined where the home is another process. */
  readonly #keys: (ShardKeys | undefined)[];
  /** Keys of shards that are here and not decided. */
  readonly #frozen: (ShardKeys | undefined)[];
  /** By shard; undefined where nothing is journalled. */
  readonly #journals: (JournalledKeys | undefined)[];
  /** Keys that were let go and still hold memory. */
  readonly #leaving: ShardKeys[] = [];
  #sweepNext = 0;

  constructor(shards: number, policies: PolicySet, budget: MemoryBudget) {
    this.shards = shards;
    this.#policies = policies;
    this.#budget = budget;
    this.#keys = Array.from({ length: shards }, () => undefined);
    this.#frozen = Array.from({ length: shards }, () => undefined);
    this.#journals = Array.from({ length: shards }, () => undefined);
  }

  /** Keys for a shard, to be filled before it is opened. */
  newKeys(shard: number): ShardKeys {
    return new ShardKeys(shard, shard / this.shards, this.#policies, this.#budget, this.census);
  }

  /**
   * From now on the shard's keys are decided here.
   *
   * @param isJournalled whether `journal` is to be kept of them
   */
  open(shard: number, keys: ShardKeys, isJournalled = false): void {
    this.#keys[shard] = keys;
    if (!isJournalled) return;
    const stagger = shard / this.shards;
    const options = { stagger, budget: this.#budget, reservations: this.reservations };
    this.#journals[shard] = new JournalledKeys(keys, this.#policies, options);
  }

  /** Decides nothing of a shard any more, while its keys are on their way to another process. */
  freeze(shard: number): void {
    this.#frozen[shard] ??= this.#keys[shard];
    this.#keys[shard] = undefined;
  }

  /** Goes on where `freeze` stopped. */
  thaw(shard: number): void {
    this.#keys[shard] ??= this.#frozen[shard];
    this.#frozen[shard] = undefined;
  }

  /** Lets go of a shard and forgets its keys. */
  close(shard: number): void {
    this.discard(this.keys(shard));
    this.#keys[shard] = undefined;
    this.#frozen[shard] = undefined;
    this.#journals[shard]?.dispose();
    this.#journals[shard] = undefined;
  }

  /** Forgets keys that nobody decides any more: many of them little by little, with every sweep. */
  discard(keys: ShardKeys | undefined): void {
    if (keys?.dispose(DISPOSED_SLOTS) === false) this.#leaving.push(keys);
  }

  isOpen(shard: number): boolean {
    return this.#keys[shard] !== undefined;
  }

  /** Keys of a shard that is decided here, under the policies in force. */
  decided(shard: number, nowUs: Micros): ShardKeys | undefined {
    const keys = this.#keys[shard];
    if (keys !== undefined && keys.revision !== this.#policies.revision) keys.adopt(this.#policies, nowUs);
    return keys;
  }

  /** Also of a frozen shard, under the policies in force. */
  here(shard: number, nowUs: Micros): ShardKeys | undefined {
    const keys = this.keys(shard);
    if (keys !== undefined && keys.revision !== this.#policies.revision) keys.adopt(this.#policies, nowUs);
    return keys;
  }

  /** Also of a frozen shard; undefined when it is not here. */
  keys(shard: number): ShardKeys | undefined {
    return this.#keys[shard] ?? this.#frozen[shard];
  }

  /** What of a shard the journal must know; undefined when it keeps none. */
  journal(shard: number): JournalledKeys | undefined {
    return this.#journals[shard];
  }

  /** The same for whoever writes pages: under the policies in force. */
  journalToWrite(shard: number, nowUs: Micros): JournalledKeys | undefined {
    if (this.#journals[shard] !== undefined) this.here(shard, nowUs);
    return this.#journals[shard];
  }

  /**
   * Makes a key of an open shard one that was never seen.
   *
   * @returns what the journal must know before that is told to anybody; undefined where it keeps nothing of the key
   */
  forget(
    shard: number,
    policyIndex: number,
    high: number,
    low: number,
    nowUs: Micros,
  ): JournalHold | undefined {
    this.decided(shard, nowUs)?.forget(policyIndex, high, low, nowUs);
    const heavyKeys = this.#journals[shard]?.heavyKeys(policyIndex);
    const reserved = this.reservations?.reservedOf(policyIndex, high, low) ?? 0;
    return heavyKeys && { heavyKeys, position: heavyKeys.forgotten(high, low, reserved, nowUs) };
  }

  /** Puts other policies in force. Each shard takes its keys over when it is next touched. */
  adopt(policies: PolicySet): void {
    this.#policies = policies;
    this.census.reconsider();
    for (const journal of this.#journals) journal?.adopt(policies);
  }

  /** Drops some idle keys of the next shard in turn, and some of one that was let go. */
  sweep(nowUs: Micros): void {
    if (this.#leaving[0]?.dispose(DISPOSED_SLOTS) === true) this.#leaving.shift();
    this.#sweepNext = (this.#sweepNext + 1) % this.shards;
    this.decided(this.#sweepNext, nowUs)?.sweep(nowUs);
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
}
