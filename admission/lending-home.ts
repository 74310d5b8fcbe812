/**
 * The keys at home here, as the loan book sees them: their limiters, and the journal that must hear of what
 * other processes have spent before more is lent of the same key.
 */
import type { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";
import type { JournalHold } from "./journalled-keys.ts";
import type { LoanHome } from "./loan-home.ts";
import type { LoanKey } from "./loan.ts";
import { reportedUnits } from "./reported-usage.ts";
import type { Reservations } from "./reservations.ts";
import type { ShardTable } from "./shard-table.ts";

export class LendingHome implements LoanHome {
  readonly #table: ShardTable;
  readonly #holds: JournalHold[];
  readonly #verdict = new Verdict();

  /** @param holds where charges go that the journal must know before an answer goes out */
  constructor(table: ShardTable, holds: JournalHold[]) {
    this.#table = table;
    this.#holds = holds;
  }

  limiterOf(shard: number, policyIndex: number, nowUs: Micros): KeyedLimiter | undefined {
    return this.#table.decided(shard, nowUs)?.limiter(policyIndex);
  }

  reserving(reservations: Reservations): void {
    this.#table.reservations = reservations;
  }

  charge(key: LoanKey, units: number, nowUs: Micros, isOwed: boolean): void {
    // Also while the shard is frozen: it may come back.
    const limiter = this.#table.here(key.shard, nowUs)?.limiter(key.policyIndex);
    if (limiter === undefined) return;
    limiter.quota = key.quota;
    limiter.evaluate(key.high, key.low, 0, nowUs, this.#verdict);
    limiter.commit(isOwed ? reportedUnits(limiter, units, nowUs, this.#verdict) : units);
    // What was charged may be a bucket that the key shares.
    this.#tell(key, limiter, { units, used: Infinity, nowUs });
  }

  /** More is about to be promised of a key: whatever the journal still lacks of it comes first. */
  granting(key: LoanKey, reserved: number, raised: number, nowUs: Micros): void {
    const limiter = this.#lookAt(key, nowUs);
    if (limiter === undefined) return;
    const used = this.#charged(limiter);
    if (limiter.isAbout(key.high, key.low)) {
      this.#tell(key, key, { units: raised, used: used + reserved, nowUs });
      return;
    }
    // It is charged to a bucket that others share; what is reserved is its own.
    this.#tell(key, limiter, { units: 0, used, nowUs });
    if (reserved > 0) this.#tell(key, key, { units: raised, used: reserved, nowUs });
  }

  lowered(key: LoanKey, reserved: number, nowUs: Micros): void {
    const { shard, policyIndex, high, low } = key;
    const limiter = this.#lookAt(key, nowUs);
    const used = limiter?.isAbout(high, low) === true ? this.#charged(limiter) : 0;
    this.#table
      .journal(shard)
      ?.heavyKeys(policyIndex)
      ?.lowered(high, low, used + reserved, nowUs);
  }

  #lookAt({ shard, policyIndex, high, low, quota }: LoanKey, nowUs: Micros): KeyedLimiter | undefined {
    const limiter = this.#table.here(shard, nowUs)?.limiter(policyIndex);
    if (limiter === undefined) return undefined;
    limiter.quota = quota;
    limiter.evaluate(high, low, 0, nowUs, this.#verdict);
    return limiter;
  }

  /** Units charged beyond what a key never seen has used, of the last look; Infinity when that may be too little. */
  #charged(limiter: KeyedLimiter): number {
    const { remaining } = this.#verdict;
    return remaining > 0 ? limiter.algorithm.capacity - remaining - limiter.usedByUnseen() : Infinity;
  }

  #tell(
    { shard, policyIndex }: LoanKey,
    { high, low }: { readonly high: number; readonly low: number },
    { units, used, nowUs }: { units: number; used: number; nowUs: Micros },
  ): void {
    const heavyKeys = this.#table.journal(shard)?.heavyKeys(policyIndex);
    const position = heavyKeys?.charged(high, low, units, used, nowUs) ?? 0;
    if (heavyKeys !== undefined && position > 0) this.#holds.push({ heavyKeys, position });
  }
}
