/**
 * Which loans are to be called back, because somebody was refused while others hold units of the key, or
 * because a holder has not been heard. Every key at most once in 20 ms, however often that is wished.
 */
import type { Micros } from "../core/units.ts";
import type { Loan } from "./loan.ts";
import type { Holder, RecallFrame, RecallRow } from "./loan-messages.ts";

const RECALL_EVERY_US = 20_000;

export class Recalls {
  readonly #wanted = new Set<Loan>();

  want(loan: Loan): void {
    if (loan.isRecallWanted || loan.lent === 0) return;
    loan.isRecallWanted = true;
    this.#wanted.add(loan);
  }

  /** The loan is over. */
  forget(loan: Loan): void {
    this.#wanted.delete(loan);
  }

  /** The recalls that are due, one message for each holder and shard. @param policyName by index */
  take(monotonicUs: Micros, policyName: (policyIndex: number) => string): RecallFrame[] {
    if (this.#wanted.size === 0) return [];
    const frames = new Map<string, { shard: number; holder: Holder; rows: RecallRow[] }>();
    for (const loan of this.#wanted) {
      if (monotonicUs - loan.recalledUs < RECALL_EVERY_US) continue;
      this.#wanted.delete(loan);
      loan.isRecallWanted = false;
      loan.recalledUs = monotonicUs;
      const { shard, high, low } = loan;
      const policy = policyName(loan.policyIndex);
      for (const [name, { lent, holder }] of loan.rows) {
        if (lent === 0) continue;
        const place = `${shard} ${name}`;
        let frame = frames.get(place);
        if (frame === undefined) frames.set(place, (frame = { shard, holder, rows: [] }));
        frame.rows.push({ policy, high, low });
      }
    }
    return [...frames.values()];
  }
}
