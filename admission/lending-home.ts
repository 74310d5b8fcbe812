/**
 * The keys at home here, as the loan book sees them: their limiters, and the journal that must hear of what
 * other processes have spent before more is lent of the same key.
 */
import type { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";
import type { JournalHold } from "./journalled-keys.ts";
import type { LoanHome } from "./loan-book.ts";
import type { LoanKey } from "./loan.ts";
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

  charge({ shard, policyIndex, high, low, quota }: LoanKey, units: number, nowUs: Micros): void {
    // Also while the shard is frozen: it may come back.
    const limiter = this.#table.here(shard, nowUs)?.limiter(policyIndex);
    if (limiter === undefined) return;
    limiter.quota = quota;
    limiter.charge(high, low, units, nowUs);
    this.#tell(shard, policyIndex, limiter, { units, used: Infinity, nowUs });
  }

  /** More is about to be promised of a key: whatever the journal still lacks of it comes first. */
  granting({ shard, policyIndex, high, low, quota }: LoanKey, nowUs: Micros): void {
    const limiter = this.limiterOf(shard, policyIndex, nowUs);
    if (limiter === undefined) return;
    limiter.quota = quota;
    limiter.evaluate(high, low, 0, nowUs, this.#verdict);
    const used = limiter.algorithm.capacity - this.#verdict.remaining - limiter.usedByUnseen();
    this.#tell(shard, policyIndex, limiter, { units: 0, used, nowUs });
  }

  /** @param limiter that has just looked at the key: what it charged may be a bucket shared with others */
  #tell(
    shard: number,
    policyIndex: number,
    { high, low }: KeyedLimiter,
    { units, used, nowUs }: { units: number; used: number; nowUs: Micros },
  ): void {
    const heavyKeys = this.#table.journal(shard)?.heavyKeys(policyIndex);
    const position = heavyKeys?.charged(high, low, units, used, nowUs) ?? 0;
    if (heavyKeys !== undefined && position > 0) this.#holds.push({ heavyKeys, position });
  }
}
