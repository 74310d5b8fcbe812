/**
 * Homes that keep silent: no check is made to wait for what did not come before.
 *
 *      heard ── a wait has run into its deadline, without a word from the home ──▶ silent
 *        ▲                                                                           │ one check in 500 ms waits,
 *        └──────────────────────────── the first answer ─────────────────────────────┘ all others do not
 *
 * A process that is frozen or cut off answers nothing until others take its shards over. Whoever needs rights of
 * one would wait the whole deadline for a decision that is made without them in the end; so it is made at once.
 * What was asked goes on being asked, ever more rarely (borrowing.ts); the check that waits asks at once, so
 * that a home that is back is heard of within 500 ms by whoever needs it.
 *
 * Memory: one entry for each home that was ever waited for, at most one a shard. Looked at only when rights
 * are missing; an answer costs one lookup.
 */
import type { Micros } from "../core/units.ts";

/** Between two checks that wait for one silent home. */
const PROBE_EVERY_US = 500_000;

interface SilentHome {
  /** Of its last answer since it was first waited for. */
  heardUs: number;
  /** While it is silent: when a check may wait for it again. */
  probeUs: number | undefined;
}

export class SilentHomes {
  readonly #homes = new Map<number, SilentHome>();

  /** Whether a check that needs rights of the home may be made to wait. */
  mayWait(shard: number, nowUs: Micros): boolean {
    const probeUs = this.#homes.get(shard)?.probeUs;
    return probeUs === undefined || nowUs >= probeUs;
  }

  /** A check begins to wait. */
  waiting(shard: number, nowUs: Micros): void {
    const home = this.#homes.get(shard);
    if (home === undefined) this.#homes.set(shard, { heardUs: -Infinity, probeUs: undefined });
    else if (home.probeUs !== undefined) home.probeUs = nowUs + PROBE_EVERY_US;
  }

  /** A check has waited in vain. */
  missed(shard: number, sinceUs: number, nowUs: Micros): void {
    const home = this.#homes.get(shard);
    // One that answers others is busy with this one.
    if (home === undefined || home.heardUs > sinceUs) return;
    home.probeUs ??= nowUs + PROBE_EVERY_US;
  }

  /** The home has answered, whatever and whomever. */
  heard(shard: number, nowUs: Micros): void {
    const home = this.#homes.get(shard);
    if (home === undefined) return;
    home.heardUs = nowUs;
    home.probeUs = undefined;
  }

  /** The home is this process itself now. */
  forget(shard: number): void {
    this.#homes.delete(shard);
  }
}
