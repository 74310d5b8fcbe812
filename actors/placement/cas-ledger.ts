/**
 * The compare-and-sets in flight: at most one a key, so that an answer is about what we think it is about.
 *
 * An answer counts once and only while it is waited for; one that comes late, twice or for another bucket is
 * dropped. After a conflict or an unknown outcome the key rests until the watch shows something newer, or for
 * an eighth of the TTL: a conflict need not ever show (a write in flight that failed).
 */
import type { CasAnswer, Holder, PlacementOutbox } from "./placement-event.ts";
import type { Instant } from "./process-lease.ts";

export interface CasAttempt {
  readonly id: number;
  readonly key: string;
  readonly value: string;
  /** Read before it was sent: what it proves, it proves of this moment. */
  readonly sent: Instant;
  /** Whether it prolongs our lease. */
  readonly isRenewal?: boolean;
  /** Whom a claim takes the shard from. */
  readonly previous?: Holder | undefined;
}

export class CasLedger {
  readonly #restUs: number;
  readonly #pending = new Map<string, CasAttempt>();
  /** Monotonic time before which a key is left alone. */
  readonly #restUntilUs = new Map<string, number>();
  #lastId = 0;

  constructor(leaseTtlUs: number) {
    this.#restUs = Math.ceil(leaseTtlUs / 8);
  }

  isPending(key: string): boolean {
    return this.#pending.has(key);
  }

  /** Sends, unless one is in flight or the key rests. @returns whether it was sent */
  attempt(cas: Omit<CasAttempt, "id">, expectedRevision: number, outbox: PlacementOutbox): boolean {
    const { key, value, sent } = cas;
    if (this.#pending.has(key) || sent.monotonicUs < (this.#restUntilUs.get(key) ?? -Infinity)) return false;
    const id = (this.#lastId += 1);
    this.#pending.set(key, { ...cas, id });
    outbox.cas(key, value, expectedRevision, id);
    return true;
  }

  /** The attempt an answer is about; undefined when nobody waits for it. */
  answered({ key, id, outcome }: CasAnswer, monotonicUs: number): CasAttempt | undefined {
    const attempt = this.#pending.get(key);
    if (attempt?.id !== id) return undefined;
    this.#pending.delete(key);
    if (outcome !== "ok") this.#restUntilUs.set(key, monotonicUs + this.#restUs);
    return attempt;
  }

  /** The watch has shown something newer of this key. */
  news(key: string): void {
    this.#restUntilUs.delete(key);
  }

  /** Answers still to come are about something else now. */
  clear(): void {
    this.#pending.clear();
    this.#restUntilUs.clear();
  }
}
