/**
 * Side tables of the few keys that have something beside their state: units lent, a balance, a check that
 * waits. Addressed like the key table, by policy and the 48 bits of identity it keeps.
 *
 *      policy index ──▶ (high 32 · low 16, one exact number) ──▶ entry
 *
 * Almost every key of almost every process has no entry: an empty map answers after one comparison, a policy
 * without entries after two. A policy's last answer is kept, because the keys that do have entries are coarse
 * ones (an organisation, everybody) that are asked for again and again. Cost otherwise: one lookup in a Map.
 */
class PolicyEntries<Entry> {
  readonly byIdentity = new Map<number, Entry>();
  /** The last identity looked up and what was found; −1 after a change. */
  lastIdentity = -1;
  last: Entry | undefined;

  find(identity: number): Entry | undefined {
    if (identity !== this.lastIdentity) {
      this.last = this.byIdentity.get(identity);
      this.lastIdentity = identity;
    }
    return this.last;
  }

  /** For whoever changes the map next. */
  changing(): Map<number, Entry> {
    this.lastIdentity = -1;
    this.last = undefined;
    return this.byIdentity;
  }
}

export class KeyMap<Entry> {
  /** Entries over all policies. */
  size = 0;
  #byPolicy: (PolicyEntries<Entry> | undefined)[] = [];

  find(policyIndex: number, high: number, low: number): Entry | undefined {
    if (this.size === 0) return undefined;
    return this.#byPolicy[policyIndex]?.find(identityNumber(high, low));
  }

  set(policyIndex: number, high: number, low: number, entry: Entry): void {
    const entries = (this.#byPolicy[policyIndex] ??= new PolicyEntries<Entry>()).changing();
    const before = entries.size;
    entries.set(identityNumber(high, low), entry);
    this.size += entries.size - before;
  }

  delete(policyIndex: number, high: number, low: number): void {
    if (this.#byPolicy[policyIndex]?.changing().delete(identityNumber(high, low)) === true) this.size -= 1;
  }

  /** Moves each policy's entries to its new index; those of a policy that is gone (−1) are returned. */
  remap(indexAfter: (indexBefore: number) => number): Entry[] {
    const before = this.#byPolicy;
    const dropped: Entry[] = [];
    this.#byPolicy = [];
    for (const [index, entries] of before.entries()) {
      if (entries === undefined) continue;
      const after = indexAfter(index);
      if (after >= 0) {
        this.#byPolicy[after] = entries;
        continue;
      }
      this.size -= entries.byIdentity.size;
      for (const entry of entries.byIdentity.values()) dropped.push(entry);
    }
    return dropped;
  }

  *values(): Generator<Entry> {
    for (const entries of this.#byPolicy) if (entries !== undefined) yield* entries.byIdentity.values();
  }
}

/** What the key table tells keys apart by, as one number below 2^48: an empty high half is stored as 1. */
function identityNumber(high: number, low: number): number {
  return (high === 0 ? 1 : high >>> 0) * 65_536 + (low & 0xffff);
}
