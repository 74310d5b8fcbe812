/** A shard that is a map of counters, and its pages: `name=count;…` in order of name; 0 for one that is gone. */
import type { StagedShard, TravellingShard } from "../../../actors/handoff/transfer.ts";
import { ParlError } from "../../../core/errors.ts";

export class ModelShard implements TravellingShard {
  readonly counts: Map<string, number>;
  #isTravelling = false;
  #walk: string[] = [];
  readonly #dirty = new Set<string>();

  constructor(counts: ReadonlyMap<string, number> = new Map()) {
    this.counts = new Map(counts);
  }

  charge(key: string): void {
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    if (this.#isTravelling) this.#dirty.add(key);
  }

  /** The key is as if it had never been. */
  forget(key: string): void {
    this.counts.delete(key);
    if (this.#isTravelling) this.#dirty.add(key);
  }

  get dirtyCount(): number {
    return this.#dirty.size;
  }

  start(): void {
    this.#isTravelling = true;
    this.#walk = [...this.counts.keys()].toSorted();
    this.#dirty.clear();
  }

  stop(): void {
    this.#isTravelling = false;
    this.#dirty.clear();
  }

  nextPage(bytesMax: number): Uint8Array | undefined {
    const keys: string[] = [];
    let page = "";
    while (this.#walk.length > 0) {
      const key = this.#walk[0] as string;
      const entry = `${key}=${this.counts.get(key) ?? 0};`;
      if (page !== "" && page.length + entry.length > bytesMax) break;
      page += entry;
      keys.push(key);
      this.#walk.shift();
    }
    return keys.length === 0 ? undefined : new TextEncoder().encode(page);
  }

  nextDirtyPage(bytesMax: number): Uint8Array | undefined {
    let page = "";
    for (const key of this.#dirty) {
      const entry = `${key}=${this.counts.get(key) ?? 0};`;
      if (page !== "" && page.length + entry.length > bytesMax) break;
      page += entry;
      this.#dirty.delete(key);
    }
    return page === "" ? undefined : new TextEncoder().encode(page);
  }
}

export class StagedModel implements StagedShard {
  readonly counts = new Map<string, number>();
  isDiscarded = false;

  adopt(page: Uint8Array): void {
    for (const entry of new TextDecoder().decode(page).split(";")) {
      if (entry === "") continue;
      const [key = "", count = ""] = entry.split("=");
      if (!/^\d+$/.test(count)) throw new ParlError("PARL_MALFORMED", `the page says ${entry}`);
      if (count === "0") this.counts.delete(key);
      else this.counts.set(key, Number(count));
    }
  }

  discard(): void {
    this.isDiscarded = true;
  }
}
