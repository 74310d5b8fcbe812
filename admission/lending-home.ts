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

  charge(key: LoanKey, units: number, nowUs: Micros): void {
    const { shard, policyIndex, high, low } = key;
    // Also while the shard is frozen: it may come back.
    const limiter = this.#table.here(shard, nowUs)?.limiter(policyIndex);
    if (limiter === undefined) return;
    limiter.charge(high, low, units, nowUs);
    this.#tell(key, units, Infinity, nowUs);
  }

  /** More is about to be promised of a key: whatever the journal still lacks of it comes first. */
  granting(key: LoanKey, reserved: number, raised: number, nowUs: Micros): void {
    this.#tell(key, raised, this.#charged(key, nowUs) + reserved, nowUs);
  }

  lowered(key: LoanKey, reserved: number, nowUs: Micros): void {
    const { shard, policyIndex, high, low } = key;
    const used = this.#charged(key, nowUs) + reserved;
    this.#table.journal(shard)?.heavyKeys(policyIndex)?.lowered(high, low, used, nowUs);
  }

  /** Units charged of a key, beyond what one never seen has used; Infinity when there may be more than it holds. */
  #charged({ shard, policyIndex, high, low }: LoanKey, nowUs: Micros): number {
    const limiter = this.#table.here(shard, nowUs)?.limiter(policyIndex);
    if (limiter === undefined) return Infinity;
    limiter.evaluate(high, low, 0, nowUs, this.#verdict);
    const { remaining } = this.#verdict;
    return remaining > 0 ? limiter.algorithm.capacity - remaining - limiter.usedByUnseen() : Infinity;
  }

  #tell({ shard, policyIndex, high, low }: LoanKey, units: number, used: number, nowUs: Micros): void {
    const heavyKeys = this.#table.journal(shard)?.heavyKeys(policyIndex);
    const position = heavyKeys?.charged(high, low, units, used, nowUs) ?? 0;
    if (heavyKeys !== undefined && position > 0) this.#holds.push({ heavyKeys, position });
  }
}
