/** What the loan book needs of the process whose keys it lends of, and tells it (lending-home.ts is one). */
import type { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import type { Micros } from "../core/units.ts";
import type { LoanKey } from "./loan.ts";
import type { Reservations } from "./reservations.ts";

export interface LoanHome {
  /** The limiter of an open shard; undefined when the shard is not open here. */
  limiterOf(shard: number, policyIndex: number, nowUs: Micros): KeyedLimiter | undefined;
  /**
   * Charges what was spent elsewhere, whatever the limit says.
   *
   * @param isOwed spent without rights, by a report or blindly: only so much is charged as a report may be
   */
  charge(key: LoanKey, units: number, nowUs: Micros, isOwed: boolean): void;
  /** Told once, at the start: where whoever keeps a journal can ask what is reserved. */
  reserving?(reservations: Reservations): void;
  /**
   * Told before an answer that leaves units with a holder: what the journal lacks of the key comes first.
   *
   * @param reserved of the key, by now
   * @param raised by how much that is more than before
   */
  granting?(key: LoanKey, reserved: number, raised: number, nowUs: Micros): void;
  /** What is reserved of the key has become less. */
  lowered?(key: LoanKey, reserved: number, nowUs: Micros): void;
}

/** When the book is asked. */
export interface LoanMoment {
  /** Wall clock: what the limiters decide by. */
  readonly nowUs: Micros;
  readonly monotonicUs: Micros;
  /** Of the shard asked. */
  readonly epoch: number;
  /** For how long nobody else can become the home: what is left of this process's own lease. */
  readonly leaseLeftUs: number;
}
