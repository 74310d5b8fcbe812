/**
 * Decides the checks of an access log in this process, at the log's own times: what these policies would
 * have done to that traffic.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { PolicyDocument } from "../../admission/policy.ts";
import type { LoggedCheck } from "../../sim/check-mapping.ts";
import { OfflineDecider } from "../../sim/offline-decider.ts";
import { Replayed, type ReplayRun } from "./replayed.ts";

/** Decisions between two looks at the event loop, so that Ctrl-C is heard. */
export const BATCH = 1_000;

export async function replayOffline(
  checks: readonly LoggedCheck[],
  document: PolicyDocument,
  run: ReplayRun,
): Promise<Replayed> {
  const replayed = new Replayed(run.keepsRows);
  const decider = new OfflineDecider(document);
  const startMs = run.nowMs();
  for (const [sequence, check] of checks.entries()) {
    if (sequence % BATCH === 0) {
      run.progress.update(sequence);
      await nextTurn();
      if (run.signal.aborted) break;
    }
    const asked = { ...check, cost: 1 };
    const decision = decider.decide(asked, check.atUs);
    replayed.addAnswer({
      ...asked,
      ...decision,
      nowUs: check.atUs,
      sequence,
      region: "offline",
      blind: false,
    });
  }
  replayed.elapsedMs = run.nowMs() - startMs;
  return replayed;
}
