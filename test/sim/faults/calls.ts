/** Calls as a ledger holds them, for tests of what judges it. */
import type { Call } from "../../../sim/faults/ledger.ts";

let number = 0;

/** An admitted call of one unit that took a millisecond. `atMs` is when it began, by both clocks. */
export function call(tenant: string, atMs: number, more: Partial<Call> = {}): Call {
  number += 1;
  return {
    number,
    region: "eu",
    tenant,
    key: `${tenant}-0`,
    cost: 1,
    shard: 0,
    invokedUs: atMs * 1_000,
    returnedUs: atMs * 1_000 + 1_000,
    outcome: "admitted",
    policy: `${tenant}-key`,
    decidedUs: atMs * 1_000 + 500,
    retryAfterUs: 0,
    ...more,
  };
}

export function times<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}
