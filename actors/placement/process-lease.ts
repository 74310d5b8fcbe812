/**
 * The lease of this process: how long it may answer without hearing from the bucket again.
 *
 *      renewal sent           acked                              sent + TTL
 *   ──────┼─────────────────────┼────────────────────────────────────┼──────▶ own monotonic clock
 *         └──────────────────────────── valid ───────────────────────┘ fenced
 *
 * It counts from before the renewal was sent: whoever declares us dead counts from when he saw it, later.
 * He also allows for clocks that run differently (`deadAfterUs`). A suspended machine's monotonic clock
 * stands still, so the wall clock has a say as well: moved by more than the TTL, either way, ends the lease.
 *
 * While it is held (the bucket was lost, and shards are still to be confirmed in the new one) acks count only
 * once it is released: until then others may wait for no more than the former lease.
 */
export interface Instant {
  readonly monotonicUs: number;
  readonly wallUs: number;
}

export const LEASE_TTL_DEFAULT_US = 2_000_000;
const OBSERVER_MARGIN_US = 50_000;
const NEVER: Instant = { monotonicUs: -Infinity, wallUs: -Infinity };

/**
 * How long an observer waits, on its own clock, before it declares a holder dead: an eighth more than the
 * TTL lets its clock run 12 % faster than the holder's, the margin covers both clocks' granularity.
 */
export function deadAfterUs(ttlUs: number): number {
  return ttlUs + Math.ceil(ttlUs / 8) + OBSERVER_MARGIN_US;
}

export class ProcessLease {
  readonly #ttlUs: number;
  #sent = NEVER;
  /** Invariant: undefined unless held. */
  #sentSinceHeld: Instant | undefined;
  #isHeld = false;

  constructor(ttlUs: number) {
    this.#ttlUs = ttlUs;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  isValid({ monotonicUs, wallUs }: Instant): boolean {
    return (
      monotonicUs - this.#sent.monotonicUs < this.#ttlUs &&
      Math.abs(wallUs - this.#sent.wallUs) <= this.#ttlUs
    );
  }

  /** How much longer the lease is valid at least; 0 when it is over. */
  leftUs(now: Instant): number {
    return this.isValid(now) ? this.#ttlUs - (now.monotonicUs - this.#sent.monotonicUs) : 0;
  }

  /** A renewal sent at `sent` was stored. Answers may come late and out of order. */
  acked(sent: Instant): void {
    if (!this.#isHeld) {
      if (sent.monotonicUs > this.#sent.monotonicUs) this.#sent = sent;
    } else if (sent.monotonicUs > (this.#sentSinceHeld ?? NEVER).monotonicUs) this.#sentSinceHeld = sent;
  }

  hold(): void {
    this.#isHeld = true;
    this.#sentSinceHeld = undefined;
  }

  release(): void {
    const sent = this.#sentSinceHeld;
    this.#isHeld = false;
    this.#sentSinceHeld = undefined;
    if (sent !== undefined) this.acked(sent);
  }

  /** Gives the lease up; the next renewal begins another. */
  drop(): void {
    this.#isHeld = false;
    this.#sentSinceHeld = undefined;
    this.#sent = NEVER;
  }
}
