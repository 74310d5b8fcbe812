/**
 * A moment in which nothing is under way on a connection: what must be over before it may be cut and made anew.
 *
 *      no handoff begins, those under way end ─▶ nothing new comes in ─▶ all accepted is answered
 *
 * Each wait is bounded: what takes longer has to bear the cut.
 */
import { setTimeout as passed } from "node:timers/promises";
import type { Handoffs } from "./handoff/handoffs.ts";
import type { ShardHost } from "./shard-host.ts";

const HANDOFFS_MAX_MS = 3_000;
const QUIET_MAX_MS = 500;
const LOOK_EVERY_MS = 1;

export interface Underway {
  readonly host: ShardHost;
  readonly handoffs: Handoffs;
}

/** Resolves in such a moment; `resume` ends it. */
export async function hush({ host, handoffs }: Underway): Promise<void> {
  handoffs.pause();
  await until(() => handoffs.isIdle, HANDOFFS_MAX_MS);
  await host.leave();
  await quiet(() => host.isQuiet);
}

/** Resolves when it is so, or has not been for half a second. */
export function quiet(isSo: () => boolean): Promise<void> {
  return until(isSo, QUIET_MAX_MS);
}

export function resume({ host, handoffs }: Underway): void {
  host.resume();
  handoffs.resume();
}

async function until(isSo: () => boolean, atMostMs: number): Promise<void> {
  const untilMs = performance.now() + atMostMs;
  while (!isSo() && performance.now() < untilMs) await passed(LOOK_EVERY_MS);
}
