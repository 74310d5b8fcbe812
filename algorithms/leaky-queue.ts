/**
 * Leaky bucket as a queue: requests leave it one emission interval apart, and are told how long to wait.
 *
 *      arrivals ▼▼▼        ┌───────────────┐   departures, T apart
 *                  ──────▶ │ at most B units│ ─────▶ │    │    │    │
 *                          └───────────────┘
 *
 * The moment the queue runs empty is GCRA's TAT; the difference is in the answer. An allowed request
 * carries `delayUs`, the work queued ahead of it; a request that does not fit into the queue is denied.
 * The caller does the waiting: a decision service never holds a request back itself.
 *
 * State and cost: as gcra.ts. Source: Turner, New directions in communications, 1986.
 */
import type { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";
import type { AlgorithmName } from "./algorithm.ts";
import { Gcra } from "./gcra.ts";

export class LeakyQueue extends Gcra {
  override readonly name: AlgorithmName = "leaky-queue";

  override evaluate(words: Uint32Array, at: number, cost: number, nowUs: Micros, verdict: Verdict): void {
    super.evaluate(words, at, cost, nowUs, verdict);
    if (verdict.outcome === "allowed") verdict.delayUs = this.ceilUs(this.debtTicks(words, at, nowUs));
  }
}
