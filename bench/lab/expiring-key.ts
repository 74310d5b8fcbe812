/**
 * One key as the Redis scripts keep it, asked for one unit at a time by callers with clocks of their own: it decides at
 * their running maximum, as a key table does, but the key expires by Redis' own clock once what it owes has worn off,
 * and the running maximum with it.
 *
 *      callers' time   ──●──────●─────▶ owes until here          both measured from
 *      Redis' time     ──●──────●─────▶ is kept until here       the last admission
 *
 * That the scripts remember when a key was last charged, and the key table when it was last asked, makes no difference
 * for single units: what is refused at a later moment is refused at an earlier one as well.
 * Twin: lua/, with which an integration test compares it.
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { US_PER_MS } from "../../core/units.ts";
import { SingleKey } from "./single-key.ts";

export class ExpiringKey {
  readonly #params: AlgorithmParams;
  readonly #ttlMinMs: number;
  #key: SingleKey;
  /** By Redis' clock. */
  #expiresUs = Infinity;

  /** @param ttlMinMs how long a key is kept at least */
  constructor(params: AlgorithmParams, ttlMinMs = 1) {
    this.#params = params;
    this.#ttlMinMs = ttlMinMs;
    this.#key = new SingleKey(params);
  }

  /** From then on it is a key never seen. */
  get expiresUs(): number {
    return this.#expiresUs;
  }

  /** Whether one unit is admitted. @param callerUs from the start of a window */
  ask(callerUs: number, redisUs: number): boolean {
    if (redisUs >= this.#expiresUs) this.#key = new SingleKey(this.#params);
    const { outcome, resetAfterUs } = this.#key.ask(callerUs);
    if (outcome !== "allowed") return false;
    const ttlMs = Math.max(this.#ttlMinMs, Math.ceil(resetAfterUs / US_PER_MS));
    this.#expiresUs = (Math.floor(redisUs / US_PER_MS) + ttlMs) * US_PER_MS;
    return true;
  }
}
