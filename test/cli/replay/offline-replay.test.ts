import { expect, it } from "vitest";
import { parsePolicies } from "../../../admission/policy-schema.ts";
import { BATCH, replayOffline } from "../../../cli/replay/offline-replay.ts";
import { Progress } from "../../../cli/replay/progress.ts";
import { micros } from "../../../core/units.ts";

const document = parsePolicies(
  {
    version: 1,
    policies: [{ name: "per-key", dimension: "key", algorithm: "fixed-window", limit: 2, window: "10s" }],
  },
  "test",
);
const checks = Array.from({ length: 5 * BATCH }, (_, second) => ({
  atUs: micros(1_700_000_000_000_000 + second * 1_000_000),
  tenant: "web",
  key: "k",
  user: null,
}));

function runStoppedAfter(updates: number) {
  const stop = new AbortController();
  let nowMs = 0;
  const clock = (): number => (nowMs += 10_000);
  let written = 0;
  const sink = {
    write: () => {
      written += 1;
      if (written === updates) stop.abort();
    },
  };
  return {
    signal: stop.signal,
    nowMs: clock,
    keepsRows: true,
    progress: new Progress(sink, checks.length, clock),
  };
}

it("decides every check at the log's own time", async () => {
  const replayed = await replayOffline(checks, document, runStoppedAfter(Infinity));
  expect(replayed).toMatchObject({ asked: 5_000, blind: 0 });
  expect(replayed.tally.outcomes).toEqual({ allowed: 1_000, denied: 4_000, unsatisfiable: 0 });
  expect(replayed.rows.map((row) => row.nowUs)).toEqual(checks.map((check) => check.atUs));
});

it("stops when told to and keeps what there is", async () => {
  const replayed = await replayOffline(checks, document, runStoppedAfter(3));
  expect(replayed.asked).toBe(2 * BATCH);
  expect(replayed.rows).toHaveLength(2 * BATCH);
  expect(replayed.tally.outcomes.allowed).toBe((2 * BATCH) / 5);
});
