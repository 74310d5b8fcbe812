/**
 * Drives the running system with the checks of an access log, through the SDK.
 *
 * A check without an answer is counted by its error code and never asked again: whether it was charged is
 * unknown. Latency is what a caller sees, from asking to the answer.
 */
import { createHistogram } from "node:perf_hooks";
import type { CheckResult } from "../../client/check.ts";
import type { RegionAddress } from "../../client/connect-region.ts";
import { connectParl } from "../../client/parl-client.ts";
import { ParlError } from "../../core/errors.ts";
import { US_PER_MS } from "../../core/units.ts";
import type { LoggedCheck } from "../../sim/check-mapping.ts";
import type { DecisionRow } from "../../sim/decision-log.ts";
import { driveOpenLoop } from "./open-loop.ts";
import { Replayed, type ReplayRun } from "./replayed.ts";

/** Enough to keep every shard busy, few enough that a slow system is not drowned. */
const IN_FLIGHT_MAX = 1_024;
/** Patient: a check whose answer comes too late leaves a hole in the recording. */
const DEADLINE_MS = 1_000;

export interface LiveOptions {
  readonly regions: readonly RegionAddress[];
  readonly factor: number;
}

export async function replayLive(
  checks: readonly LoggedCheck[],
  { regions, factor }: LiveOptions,
  run: ReplayRun,
): Promise<Replayed> {
  const { signal, nowMs } = run;
  const client = await connectParl({ regions, deadlineMs: DEADLINE_MS });
  const replayed = new Replayed(run.keepsRows);
  const latencyUs = createHistogram();
  const send = async (check: LoggedCheck): Promise<void> => {
    const { tenant, key, user } = check;
    const sentMs = nowMs();
    try {
      const result = await client.check({ tenant, key, ...(user !== null && { user }) });
      latencyUs.record(Math.max(1, Math.round((nowMs() - sentMs) * US_PER_MS)));
      replayed.addAnswer(rowOf(check, result));
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      replayed.addUnanswered(error);
    }
    run.progress.update(replayed.asked);
  };
  const startMs = nowMs();
  try {
    await driveOpenLoop(checks, { factor, inFlightMax: IN_FLIGHT_MAX, signal, nowMs, send });
  } finally {
    await client.close();
  }
  replayed.elapsedMs = nowMs() - startMs;
  if (latencyUs.count > 0) {
    replayed.latencyUs = { p50: latencyUs.percentile(50), p99: latencyUs.percentile(99) };
  }
  return replayed;
}

function rowOf(check: LoggedCheck, result: CheckResult): DecisionRow {
  const { outcome, policy, remaining, retryAfterUs, region, decidedUs, sequence, blind } = result;
  return {
    ...check,
    cost: 1,
    outcome,
    policy,
    remaining,
    retryAfterUs: Number.isFinite(retryAfterUs) ? retryAfterUs : null,
    nowUs: decidedUs,
    sequence,
    region,
    blind,
  };
}
