/**
 * Drives a backend with a trace and measures it.
 *
 * Pace `real`, an open loop: event i is due at start + (tᵢ − t₀), fixed before the run. Whatever is due is
 * submitted, however late the backend is with the rest, and latency counts from the moment it was *due*: a
 * stall delays, and is charged for, everything that arrived meanwhile (no coordinated omission).
 *
 *      due    │ │ │││  │ │ │  │      latency of ★ = answered − due, although it was
 *                 ★                  submitted only after the stall
 *      busy   ▒▒▒▒▒▒▒▒▒▒ stall ▒│
 *
 * Pace `max`, as fast as it goes: batches of 1,000 are submitted back to back, each when the one before is
 * answered. There are no due moments then, so latency is *service time*: a batch's duration ÷ its events.
 *
 * Either way a backend that reads the trace's own time (`--clock app`) decides the same: pace changes nothing then.
 */
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { Decider, VerdictSink } from "./backend.ts";
import type { EventColumns } from "./events.ts";
import { RunTally } from "./run-tally.ts";

export const PACES = ["real", "max"] as const;
type Pace = (typeof PACES)[number];

export const BATCH = 1_000;
const NS_PER_US = 1_000;

export interface DriveOptions {
  readonly pace: Pace;
  /** A monotonic clock; fractions are welcome. */
  readonly nowUs: () => number;
  /** Events submitted together at most. */
  readonly batch?: number;
  /** Counts along, for whoever looks meanwhile. */
  readonly tally?: RunTally;
  /** Called between batches: lets others have a turn. What it takes is charged to what is due meanwhile. */
  readonly breathe?: () => Promise<void>;
  readonly onProgress?: (share: number) => void;
  /** At pace `real`, for each event: how late its answer was. */
  readonly onLatency?: (index: number, latencyUs: number) => void;
}

export interface DriveResult {
  /** By event: 1 if it was admitted. */
  readonly admitted: Uint8Array;
  readonly denied: number;
  readonly elapsedUs: number;
  readonly decisionsPerS: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

export async function drive(
  events: EventColumns,
  backend: Decider,
  options: DriveOptions,
): Promise<DriveResult> {
  const { pace, breathe, onProgress } = options;
  const run = pace === "real" ? new OpenLoop(events, options) : new BackToBack(events, options);
  let next = 0;
  while (run.answered < events.count) {
    const to = run.submittable(next);
    if (to > next) backend.submit(next, to, run);
    next = to;
    if (backend.turn !== undefined) await backend.turn();
    run.turned();
    if (breathe !== undefined) await breathe();
    onProgress?.(run.answered / events.count);
  }
  return run.result();
}

abstract class Run implements VerdictSink {
  answered = 0;
  protected readonly events: EventColumns;
  protected readonly nowUs: () => number;
  protected readonly startUs: number;
  protected readonly batch: number;
  readonly #tally: RunTally;
  readonly #latencyNs: RecordableHistogram = createHistogram({ highest: 3_600e9, figures: 3 });
  readonly #admitted: Uint8Array;

  constructor(events: EventColumns, { nowUs, batch = BATCH, tally = new RunTally() }: DriveOptions) {
    this.events = events;
    this.nowUs = nowUs;
    this.batch = batch;
    this.#tally = tally;
    this.#admitted = new Uint8Array(events.count);
    this.startUs = nowUs();
  }

  /** Events from `next` up to here may be submitted now. */
  abstract submittable(next: number): number;

  /** The backend has had its turn. */
  turned(): void {}

  decided(index: number, isAllowed: boolean): void {
    this.answered += 1;
    if (isAllowed) {
      this.#admitted[index] = 1;
      this.#tally.allowed += 1;
    } else {
      this.#tally.denied += 1;
    }
  }

  result(): DriveResult {
    const elapsedUs = this.nowUs() - this.startUs;
    const percentileUs = (percent: number): number => this.#latencyNs.percentile(percent) / NS_PER_US;
    return {
      admitted: this.#admitted,
      denied: this.#tally.denied,
      elapsedUs,
      decisionsPerS: (this.events.count / elapsedUs) * 1e6,
      p50Us: percentileUs(50),
      p99Us: percentileUs(99),
      p999Us: percentileUs(99.9),
    };
  }

  /** @param decisions how many took that long */
  protected record(latencyUs: number, decisions = 1): void {
    this.#latencyNs.record(Math.max(1, Math.round(latencyUs * NS_PER_US)));
    this.#tally.latency.record(latencyUs, decisions);
  }
}

class OpenLoop extends Run {
  readonly #onLatency: DriveOptions["onLatency"];

  constructor(events: EventColumns, options: DriveOptions) {
    super(events, options);
    this.#onLatency = options.onLatency;
  }

  override submittable(next: number): number {
    const elapsedUs = this.nowUs() - this.startUs;
    const most = Math.min(this.events.count, next + this.batch);
    let to = next;
    while (to < most && this.#dueUs(to) <= elapsedUs) to += 1;
    return to;
  }

  override decided(index: number, isAllowed: boolean): void {
    super.decided(index, isAllowed);
    const latencyUs = this.nowUs() - this.startUs - this.#dueUs(index);
    this.record(latencyUs);
    this.#onLatency?.(index, latencyUs);
  }

  /** From the start of the run; whole, so that no digits are lost to the epoch. */
  #dueUs(index: number): number {
    return this.events.atUs[index]! - this.events.atUs[0]!;
  }
}

class BackToBack extends Run {
  /** Events submitted so far, the last batch of them, and when it was. */
  #submitted = 0;
  #latest = 0;
  #latestUs = 0;

  override submittable(next: number): number {
    if (this.answered < this.#submitted) return next;
    this.#latest = Math.min(this.batch, this.events.count - next);
    this.#submitted = next + this.#latest;
    this.#latestUs = this.nowUs();
    return this.#submitted;
  }

  override turned(): void {
    if (this.answered < this.#submitted) return;
    this.record((this.nowUs() - this.#latestUs) / this.#latest, this.#latest);
  }
}
