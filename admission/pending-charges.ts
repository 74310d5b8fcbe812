/**
 * Units that waiting checks will charge here if everything goes well (waiting-checks.ts).
 *
 * A check that must ask another process first has not charged its own keys yet: charging and taking back
 * would be seen by others, and most algorithms cannot take back. It leaves a note instead, and whoever is
 * evaluated meanwhile is evaluated on top of the notes (held-units.ts). Without a waiting check in the
 * process, asking costs one comparison.
 */
import { KeyMap } from "./key-map.ts";

interface PendingUnits {
  units: number;
}

export class PendingCharges {
  readonly #keys = new KeyMap<PendingUnits>();

  /** Keys with something pending. */
  get keys(): number {
    return this.#keys.size;
  }

  pendingOf(policyIndex: number, high: number, low: number): number {
    if (this.#keys.size === 0) return 0;
    return this.#keys.find(policyIndex, high, low)?.units ?? 0;
  }

  add(policyIndex: number, high: number, low: number, cost: number): void {
    if (cost === 0) return;
    const pending = this.#keys.find(policyIndex, high, low);
    if (pending === undefined) this.#keys.set(policyIndex, high, low, { units: cost });
    else pending.units += cost;
  }

  /** Takes back what `add` noted. */
  remove(policyIndex: number, high: number, low: number, cost: number): void {
    const pending = this.#keys.find(policyIndex, high, low);
    if (pending === undefined || cost === 0) return;
    pending.units -= cost;
    if (pending.units <= 0) this.#keys.delete(policyIndex, high, low);
  }
}
