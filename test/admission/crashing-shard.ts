/**
 * A shard whose process may end at any moment, the holders that it lends to, and the journal of its keys:
 *
 *      decide ─▶ held until journalled ─▶ answered       takeDue, snapshot ─▶ stored ─▶ acked
 *      borrow ─▶ held until journalled ─▶ spent by the holder, now or later, and said at some time
 *      crash ─▶ fresh keys ◀── every page stored, in order ─▶ takeover ─▶ admits what is left
 *
 * All that anybody was told of stands in a list with its time; one limiter that never crashed must admit it.
 */
import { Admission, type AdmissionOptions } from "../../admission/admission.ts";
import { horizonUs, takeoverUnits } from "../../admission/durability.ts";
import type { JournalHold, JournalledKeys } from "../../admission/journalled-keys.ts";
import { LendingHome } from "../../admission/lending-home.ts";
import { Lending } from "../../admission/lending.ts";
import { compilePolicies } from "../../admission/policy-set.ts";
import type { Policy } from "../../admission/policy.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_MS, US_PER_S } from "../../core/units.ts";
import { NOW_US, policiesOf } from "../actors/lone-shard-actor.ts";
import { ModelledHolder, type Wish } from "./modelled-holder.ts";

export const SHARD_KEYS = ["k1", "k2", "k3"] as const;
const HOLDERS = 2;
const KEY_DIMENSION = 1;
/** When a successor may decide, after its predecessor may not have answered any more. */
const TAKE_OVER_US = 2_050 * US_PER_MS;
const HELD_MAX_US = 250 * US_PER_MS;

export type Fate = "acked" | "unheard" | "lost";

export type ShardAction =
  | { readonly do: "check"; readonly key: number; readonly cost: number }
  | ({ readonly do: "borrow"; readonly key: number; readonly holder: number } & Wish)
  | { readonly do: "forget" | "die"; readonly key: number; readonly holder: number }
  | { readonly do: "write"; readonly bytes: number; readonly fate: Fate; readonly isAtOnce: boolean }
  | { readonly do: "compact" }
  | { readonly do: "pass"; readonly us: number }
  | { readonly do: "limit"; readonly limit: number; readonly isOtherFirst: boolean };

interface Spend {
  readonly atUs: number;
  readonly cost: number;
}

interface Held {
  readonly untilUs: number;
  readonly holds: readonly JournalHold[];
  readonly tell: () => void;
}

export interface ShardNumbers {
  readonly algorithm: string;
  readonly limit: number;
  readonly window: string;
}

export class CrashingShard {
  readonly #numbers: ShardNumbers;
  limitMost: number;
  /** What somebody was told of, by key. */
  readonly told: Spend[][] = SHARD_KEYS.map(() => []);
  #options: AdmissionOptions;
  #admission: Admission;
  #held: Held[] = [];
  #pages: Uint8Array[] = [];
  /** Pages on their way to the journal. */
  #flight: Uint8Array[] | undefined;
  #isSnapshotDue = false;
  readonly #holders: ModelledHolder[][];
  #nowUs = NOW_US;
  #births = 0;

  constructor(numbers: ShardNumbers) {
    this.#numbers = numbers;
    this.limitMost = numbers.limit;
    const policies = compilePolicies(documentOf(numbers));
    this.#options = { shards: 1, secret: { high: 1, low: 2 }, policies, budget: new MemoryBudget(Infinity) };
    this.#admission = new Admission(this.#options);
    this.#admission.lending = this.#newLending(this.#admission);
    this.#admission.table.open(0, this.#admission.table.newKeys(0), true);
    this.#holders = Array.from({ length: HOLDERS }, () => SHARD_KEYS.map(() => this.#newHolder()));
  }

  run(action: ShardAction): void {
    this.#release();
    switch (action.do) {
      case "check":
        this.#check(action.key, action.cost);
        break;
      case "borrow":
        this.#borrow(action.key, action.holder, action);
        break;
      case "forget":
        this.#holder(action.key, action.holder).forget();
        break;
      case "die":
        this.#die(action.key, action.holder);
        break;
      case "write":
        this.#write(action.bytes, action.fate, action.isAtOnce);
        break;
      case "compact":
        this.#compact();
        break;
      case "pass":
        this.#pass(action.us);
        break;
      case "limit":
        this.limitMost = Math.max(this.limitMost, action.limit);
        this.#adopt(action.limit, action.isOtherFirst);
    }
    this.#release();
  }

  /**
   * Lets the process end here, holders spend what they have as early or as late as they may, and a successor
   * admit whatever it will at several times.
   *
   * @returns what was admitted although it did not fit
   */
  overAdmitted(): string[] {
    return [false, true].flatMap((isFlightStored) =>
      [false, true].flatMap((isSpentLate) => {
        if (isFlightStored && this.#flight === undefined) return [];
        return this.#overAdmitted(isFlightStored, isSpentLate);
      }),
    );
  }

  /** Lets everything be written; how many answers are held then. */
  settle(): number {
    for (let i = 0; i < 40; i += 1) this.#write(4_000, "acked", true);
    this.#release();
    return this.#held.length;
  }

  /** Units that a successor charges for reservations, of all keys. */
  get reservedInJournal(): number {
    const reader = new StatePageReader();
    const byKey = new Map<number, number>();
    for (const page of this.#pages) {
      reader.open(page);
      while (reader.next()) if (reader.isReserving) byKey.set(reader.high, reader.reserved);
    }
    return [...byKey.values()].reduce((sum, units) => sum + units, 0);
  }

  /** Units that are reserved now, of all keys. */
  get reserved(): number {
    const index = this.#options.policies.policies.findIndex(({ name }) => name === "main");
    return SHARD_KEYS.reduce((sum, _, key) => {
      const { high, low } = this.#identity(key);
      return sum + this.#book.reservedOf(index, high, low);
    }, 0);
  }

  get #now() {
    return micros(this.#nowUs);
  }

  get #journal(): JournalledKeys {
    return this.#admission.table.journalToWrite(0, this.#now) as JournalledKeys;
  }

  get #book(): Lending["book"] {
    return (this.#admission.lending as Lending).book;
  }

  #overAdmitted(isFlightStored: boolean, isSpentLate: boolean): string[] {
    const { algorithm, window } = this.#numbers;
    const policy = documentOf({ algorithm, window, limit: this.limitMost }).policies[0] as Policy;
    const takeoverUs = this.#nowUs + TAKE_OVER_US;
    const after = this.#admittedAfter(isFlightStored, takeoverUs, horizonUs(policy));
    const verdict = new Verdict();
    return SHARD_KEYS.flatMap((name, key) => {
      const last = this.#holders.map((holders): Spend => {
        const holder = holders[key] as ModelledHolder;
        return { atUs: isSpentLate ? holder.expiresUs : this.#nowUs, cost: holder.leftAt(this.#nowUs) };
      });
      const all = [...(this.told[key] as Spend[]), ...last, ...(after[key] as Spend[])];
      const reference = new KeyedLimiter(createAlgorithm(policy));
      return all
        .filter(({ cost }) => cost > 0)
        .toSorted((a, b) => a.atUs - b.atUs)
        .flatMap(({ atUs, cost }) => {
          reference.decide(1, 1, cost, micros(atUs), verdict);
          return verdict.outcome === "allowed" ? [] : [`${name}: ${cost} at ${atUs - this.#nowUs} µs`];
        });
    });
  }

  /** What a successor admits of every key after having read what was stored: all there is, again and again. */
  #admittedAfter(isFlightStored: boolean, takeoverUs: number, horizon: number): Spend[][] {
    const admission = new Admission(this.#options);
    const staged = admission.table.newKeys(0);
    const reader = new StatePageReader();
    for (const page of [...this.#pages, ...(isFlightStored ? (this.#flight ?? []) : [])]) {
      reader.open(page);
      staged.adoptPage(reader, micros(0));
    }
    staged.recover(micros(takeoverUs), (policy) => takeoverUnits(policy, 1));
    admission.table.open(0, staged, true);
    const after: Spend[][] = SHARD_KEYS.map(() => []);
    // Key by key at each time: time never goes back.
    for (const share of [0, 0.2, 0.7, 1]) {
      const atUs = micros(takeoverUs + Math.ceil(share * horizon));
      for (const [index, key] of SHARD_KEYS.entries()) {
        admission.describe("acme", "", key);
        admission.evaluate(0, atUs);
        const cost = admission.verdict.remaining;
        admission.decide(cost, atUs);
        if (admission.verdict.outcome === "allowed") after[index]?.push({ atUs, cost });
      }
    }
    return after;
  }

  #newLending(admission: Admission): Lending {
    const { policies } = this.#options;
    const lending = new Lending({
      holder: { member: "us", incarnation: 1 },
      home: new LendingHome(admission.table, admission.holds),
      policies,
      nowUs: this.#now,
    });
    lending.members = 1 + HOLDERS;
    return lending;
  }

  #newHolder(): ModelledHolder {
    this.#births += 1;
    return new ModelledHolder(this.#births);
  }

  #holder(key: number, holder: number): ModelledHolder {
    return (this.#holders[holder] as ModelledHolder[])[key] as ModelledHolder;
  }

  #identity(key: number): { high: number; low: number } {
    this.#admission.describe("acme", "", SHARD_KEYS[key] as string);
    const high = this.#admission.highOf(KEY_DIMENSION) >>> 0;
    return { high, low: this.#admission.lowOf(KEY_DIMENSION) & 0xffff };
  }

  #check(key: number, cost: number): void {
    this.#identity(key);
    this.#admission.decide(cost, this.#now);
    const spend = { atUs: this.#nowUs, cost };
    if (this.#admission.verdict.outcome === "allowed") this.#hold(() => this.told[key]?.push(spend));
    this.#admission.holds.length = 0;
  }

  #hold(tell: () => void): void {
    const holds = this.#admission.holds.splice(0);
    this.#held.push({ untilUs: this.#nowUs + HELD_MAX_US, holds, tell });
    this.#release();
  }

  #release(): void {
    const held = this.#held;
    this.#held = [];
    for (const one of held) {
      const isKnown = one.holds.every(({ heavyKeys, position }) => heavyKeys.journalled >= position);
      if (isKnown) one.tell();
      else if (this.#nowUs < one.untilUs) this.#held.push(one);
    }
  }

  /** A holder spends, gives back and says so, and asks for what one check needs. */
  #borrow(key: number, index: number, wish: Wish): void {
    const own = this.#holder(key, index);
    const spent = own.say(this.#identity(key), wish, this.#nowUs);
    if (spent > 0) this.told[key]?.push({ atUs: this.#nowUs, cost: spent });
    const { holder, asked } = own;
    if (asked === undefined) return;
    const moment = { nowUs: this.#now, monotonicUs: this.#now, epoch: 1, leaseLeftUs: 2 * US_PER_S };
    const [grant] = this.#book.borrow({ shard: 0, holder, rows: [asked] }, moment).rows;
    if (grant !== undefined) this.#hold(() => own.take(grant));
    this.#admission.holds.length = 0;
  }

  /** The holder's lease is over by then, and so is whatever it had. */
  #die(key: number, index: number): void {
    const own = this.#holder(key, index);
    this.#pass(Math.max(0, own.expiresUs - this.#nowUs));
    this.#book.holderDead(own.holder, this.#now);
    this.#admission.holds.length = 0;
    (this.#holders[index] as ModelledHolder[])[key] = this.#newHolder();
  }

  #pass(us: number): void {
    for (const endUs = this.#nowUs + us; this.#nowUs < endUs;) {
      this.#nowUs = Math.min(endUs, this.#nowUs + US_PER_S);
      this.#admission.table.sweep(this.#now);
      this.#book.tick(this.#now, this.#now);
      this.#admission.holds.length = 0;
      this.#release();
    }
  }

  /** Sends what is due, or hears of what was sent. */
  #write(bytes: number, fate: Fate, isAtOnce: boolean): void {
    this.#flight ??= [...this.#journal.takeDue(bytes), ...this.#snapshot(bytes)];
    if (isAtOnce || this.#isTakingOff) this.#land(fate);
    else this.#isTakingOff = true;
  }

  #isTakingOff = false;

  #snapshot(bytes: number): Uint8Array[] {
    if (!this.#isSnapshotDue) return [];
    const journal = this.#journal;
    const pages: Uint8Array[] = [];
    journal.startSnapshot(false);
    for (let next = journal.nextSnapshotPages(bytes); next !== undefined;) {
      pages.push(...next);
      next = journal.nextSnapshotPages(bytes);
    }
    return pages;
  }

  #land(fate: Fate): void {
    const pages = this.#flight ?? [];
    this.#flight = undefined;
    this.#isTakingOff = false;
    if (fate !== "lost") this.#pages.push(...pages);
    if (fate === "acked") this.#journal.acked();
    else this.#journal.lost();
    if (fate === "acked") this.#isSnapshotDue = false;
    this.#release();
  }

  /** A snapshot takes the place of everything before. */
  #compact(): void {
    if (this.#flight !== undefined) this.#land("lost");
    this.#isSnapshotDue = true;
    this.#flight = [...this.#journal.takeDue(4_000), ...this.#snapshot(150)];
    this.#pages = [];
    this.#land("acked");
  }

  #adopt(limit: number, isOtherFirst: boolean): void {
    if (this.#flight !== undefined) this.#land("lost");
    const revision = this.#options.policies.revision + 1;
    const policies = compilePolicies(documentOf({ ...this.#numbers, limit }, isOtherFirst), revision);
    this.#options = { ...this.#options, policies };
    this.#admission.adopt(policies);
    // What the host does then: the numbers of before are of no more use.
    this.#isSnapshotDue = true;
  }
}

function documentOf({ algorithm, limit, window }: ShardNumbers, isOtherFirst = false) {
  const main = `name: main, dimension: key, algorithm: ${algorithm}, limit: ${limit}, window: ${window}`;
  // A policy that is never the tightest, to move the index of the other.
  const other = "name: other, dimension: key, algorithm: gcra, limit: 100000, window: 1d";
  return policiesOf(...(isOtherFirst ? [other, main] : [main, other]));
}
