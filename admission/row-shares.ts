/**
 * Rows of a side table that all tenants share, and that invented keys fill too: a tenant holds at most as many as
 * it leaves free. One alone gets half of them, n of them n / (n + 1) together, and as many as each has are always
 * free for the next. Exact: who takes a row gives it back.
 */
import type { KeyQuota } from "../algorithms/key-census.ts";

export class RowShares {
  readonly #rowsMax: number;
  #rows = 0;
  readonly #byTenant = new Map<number, number>();

  constructor(rowsMax: number) {
    this.#rowsMax = rowsMax;
  }

  /** Whether there is a row more. @param quota of whom; undefined is bound by the total alone */
  hasRoom(quota: KeyQuota | undefined): boolean {
    const free = this.#rowsMax - this.#rows;
    return free > 0 && (quota === undefined || this.#rowsOf(quota) < free);
  }

  take(quota: KeyQuota | undefined): void {
    this.#rows += 1;
    if (quota !== undefined) this.#byTenant.set(quota.tenant, this.#rowsOf(quota) + 1);
  }

  give(quota: KeyQuota | undefined): void {
    this.#rows -= 1;
    if (quota === undefined) return;
    const rows = this.#rowsOf(quota) - 1;
    if (rows > 0) this.#byTenant.set(quota.tenant, rows);
    else this.#byTenant.delete(quota.tenant);
  }

  #rowsOf({ tenant }: KeyQuota): number {
    return this.#byTenant.get(tenant) ?? 0;
  }
}
