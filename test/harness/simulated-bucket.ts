/**
 * The region's lease bucket as placement may rely on it: linearizable compare-and-set, revisions that start
 * at the microsecond the bucket was made, one value kept per key. A wipe takes everything, as the restart of
 * a server that keeps it in memory does; compare-and-sets on their way arrive all the same.
 */
export interface StoredValue {
  readonly value: string;
  readonly revision: number;
}

export interface BucketWrite extends StoredValue {
  readonly key: string;
}

export type CasResult =
  | { readonly outcome: "ok" | "conflict"; readonly revision: number }
  /** Nobody answers: no server, or no bucket. */
  | { readonly outcome: "none"; readonly revision: 0 };

export class SimulatedBucket {
  /** Larger with every bucket made; 0 while there is none. */
  generation = 0;
  #made = 0;
  #revision = 0;
  readonly #values = new Map<string, StoredValue>();
  readonly #onWrite: (write: BucketWrite, before: string | undefined) => void;

  constructor(onWrite: (write: BucketWrite, before: string | undefined) => void) {
    this.#onWrite = onWrite;
  }

  create(firstRevision: number): void {
    this.#made += 1;
    this.generation = this.#made;
    this.#revision = firstRevision - 1;
  }

  wipe(): void {
    this.generation = 0;
    this.#values.clear();
  }

  get(key: string): StoredValue | undefined {
    return this.#values.get(key);
  }

  /** The last value of every key, in the order they were written. */
  snapshot(): BucketWrite[] {
    const writes = [...this.#values].map(([key, stored]) => ({ key, ...stored }));
    return writes.toSorted((left, right) => left.revision - right.revision);
  }

  cas(key: string, value: string, expectedRevision: number): CasResult {
    if (this.generation === 0) return { outcome: "none", revision: 0 };
    const before = this.#values.get(key);
    if ((before?.revision ?? 0) !== expectedRevision) return { outcome: "conflict", revision: 0 };
    this.#revision += 1;
    const stored = { value, revision: this.#revision };
    this.#values.set(key, stored);
    this.#onWrite({ key, ...stored }, before?.value);
    return { outcome: "ok", revision: stored.revision };
  }
}
