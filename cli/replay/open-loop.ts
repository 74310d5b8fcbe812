/**
 * Sends logged checks when the log says they came, sped up by a factor: an open loop, in which a slow
 * answer does not hold back the next check. Only the bound on checks in flight does.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { US_PER_MS } from "../../core/units.ts";
import type { LoggedCheck } from "../../sim/check-mapping.ts";

/** A timer holds no more, and a log may pause for longer. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export interface OpenLoopOptions {
  /** 1 is the log's own speed; Infinity sends as fast as answers come. */
  readonly factor: number;
  readonly inFlightMax: number;
  /** Stops sending; checks in flight are still awaited. */
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  /** Asks one check; settles when it is answered and never rejects. */
  readonly send: (check: LoggedCheck) => Promise<void>;
}

/** @returns how many checks were sent */
export async function driveOpenLoop(
  checks: readonly LoggedCheck[],
  options: OpenLoopOptions,
): Promise<number> {
  const { factor, signal, nowMs, send } = options;
  const startMs = nowMs();
  const firstUs = checks[0]?.atUs ?? 0;
  const inFlight = new InFlight();
  let sent = 0;
  for (const check of checks) {
    const dueMs = startMs + (check.atUs - firstUs) / US_PER_MS / factor;
    await sleepUntil(dueMs, nowMs, signal);
    await inFlight.below(options.inFlightMax);
    if (signal.aborted) break;
    sent += 1;
    inFlight.add(send(check));
  }
  await inFlight.below(1);
  return sent;
}

/** Counts checks that wait for their answer; one driver waits for the count. */
class InFlight {
  #count = 0;
  #wake: (() => void) | undefined;

  add(answered: Promise<void>): void {
    this.#count += 1;
    void answered.finally(() => {
      this.#count -= 1;
      this.#wake?.();
    });
  }

  async below(bound: number): Promise<void> {
    while (this.#count >= bound) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }
}

/** Timers tick in milliseconds: what is due within one is sent now, so that a second's checks share a tick. */
async function sleepUntil(dueMs: number, nowMs: () => number, signal: AbortSignal): Promise<void> {
  for (let leftMs = dueMs - nowMs(); leftMs >= 1 && !signal.aborted; leftMs = dueMs - nowMs()) {
    await sleep(Math.min(leftMs, TIMER_MS_MAX), undefined, { signal }).catch(() => {});
  }
}
