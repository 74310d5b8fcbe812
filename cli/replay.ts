/**
 * `parl replay`: real traffic through the limiter.
 *
 *   access log ─▶ checks in order of time ─┬─▶ the running system ───┬─▶ who was limited, when, by what
 *                                          └─▶ --offline: in process ┘        └─▶ --record: decision log
 *   decision log ─▶ --offline: decided again, compared with the recording and with the oracle
 */
import { readFile } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { PolicyDocument } from "../admission/policy.ts";
import { parsePolicyText } from "../actors/policy-text.ts";
import type { LoggedCheck } from "../sim/check-mapping.ts";
import { renderDecisionLog, inOrderOfDecision, type DecisionLog } from "../sim/decision-log.ts";
import { Redecision } from "../sim/redecide.ts";
import { EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, type Command, type CommandIo } from "./command.ts";
import { helpText, UsageError } from "./flags.ts";
import { writeLogFile } from "./replay/log-file.ts";
import { readLogInput, type LogInput } from "./replay/log-input.ts";
import { BATCH, replayOffline } from "./replay/offline-replay.ts";
import { parseReplayOptions, REPLAY_FLAGS, type ReplayOptions } from "./replay/options.ts";
import { OracleReference } from "./replay/oracle-reference.ts";
import { Progress } from "./replay/progress.ts";
import { redecideReport, redecideText } from "./replay/redecide-report.ts";
import type { Replayed, ReplayRun } from "./replay/replayed.ts";
import { logReport, reportText, tallyReport, type ReplayReport } from "./replay/report.ts";

export const replay: Command = {
  name: "replay",
  summary: "send a real access log through the limiter, or decide it again offline",
  help: helpText({
    usage: "parl replay <log> [flags]",
    about: [
      "Reads an access log in Common or Combined Log Format (.gz unpacks it), sorts it by time and asks the",
      "running system about every request; then says who would have been limited, when, and by which policy.",
      "The system decides by its own clock: at --speed 60 a window of a minute sees an hour of the log.",
      "At --speed max 1,024 checks are kept in flight, and latency is what a caller sees under that load.",
      "With --offline the policies of --policies decide in this process, by the log's own times; a recording",
      "made with --record is decided again and compared, and the exit code is 1 where anything differs.",
    ].join("\n"),
    flags: REPLAY_FLAGS,
    examples: [
      "parl replay access.log.gz --key ip",
      "parl replay access.log.gz --offline --policies policies.yaml",
      "parl replay access.log.gz --speed 60 --policies policies.yaml --record decisions.ndjson.gz",
      "parl replay decisions.ndjson.gz --offline --oracle",
    ],
  }),

  async run(argv, io) {
    const options = parseReplayOptions(argv, io.env);
    const input = await readLogInput(options, io.signal);
    if (input.kind === "access log") return replayAccessLog(input, options, io);
    if (!options.isOffline) throw new UsageError(`${options.file} is a recording: it needs --offline`);
    if (options.policyFile !== undefined) {
      throw new UsageError("a recording brings its own policies, it takes no --policies");
    }
    return redecideRecording(input.log, options, io);
  },
};

type AccessLogInput = Extract<LogInput, { kind: "access log" }>;

async function replayAccessLog(
  input: AccessLogInput,
  options: ReplayOptions,
  io: CommandIo,
): Promise<number> {
  const { checks } = input.traffic;
  const { recordFile } = options;
  if (options.withOracle) throw new UsageError("--oracle needs a recording, made with --record");
  const policies = options.policyFile === undefined ? undefined : await readPolicies(options.policyFile);
  // A file that cannot be written is better known before the replay than after it.
  if (recordFile !== undefined) await writeLogFile(recordFile, []);
  const run = newRun(checks.length, recordFile !== undefined, io);
  const replayed = await decideChecks(checks, policies?.document, { options, run });
  run.progress.clear();
  if (recordFile !== undefined && policies !== undefined) {
    const { rows, unansweredCount: unanswered } = replayed;
    const log = { accessLogSha256: input.sha256, policies: policies.text, rows, unanswered };
    await writeLogFile(recordFile, renderDecisionLog(log));
  }
  print(replayReport(input, replayed, options), reportText, { options, io });
  if (io.signal.aborted) return EXIT_INTERRUPTED;
  return replayed.unansweredCount > 0 ? EXIT_FAILED : EXIT_OK;
}

async function decideChecks(
  checks: readonly LoggedCheck[],
  policies: PolicyDocument | undefined,
  { options, run }: { readonly options: ReplayOptions; readonly run: ReplayRun },
): Promise<Replayed> {
  if (options.isOffline) {
    if (policies === undefined) throw new UsageError("--offline on an access log needs --policies");
    return replayOffline(checks, policies, run);
  }
  // The network code is loaded only where there is a network.
  const { replayLive } = await import("./replay/live-replay.ts");
  return replayLive(checks, options, run);
}

async function redecideRecording(log: DecisionLog, options: ReplayOptions, io: CommandIo): Promise<number> {
  const document = parsePolicyText(log.policies, `the policies recorded in ${options.file}`);
  const redecision = new Redecision(
    document,
    options.withOracle ? () => new OracleReference(document) : undefined,
  );
  const { progress } = newRun(log.rows.length, false, io);
  for (const [i, row] of inOrderOfDecision(log.rows).entries()) {
    if (i % BATCH === 0) {
      progress.update(i);
      await nextTurn();
      if (io.signal.aborted) break;
    }
    redecision.add(row);
  }
  progress.clear();
  print(redecideReport(log, redecision, options), redecideText, { options, io });
  if (io.signal.aborted) return EXIT_INTERRUPTED;
  const differs = redecision.disagreements + redecision.referenceDisagreements > 0;
  return differs ? EXIT_FAILED : EXIT_OK;
}

function replayReport(input: AccessLogInput, replayed: Replayed, options: ReplayOptions): ReplayReport {
  const { asked, blind, unanswered, elapsedMs, latencyUs } = replayed;
  const checks = input.traffic.checks.length;
  return {
    mode: options.isOffline ? "offline" : "live",
    log: logReport(options.file, input.sha256, input.traffic),
    checks,
    asked,
    isInterrupted: asked < checks,
    blind,
    unanswered,
    elapsedMs: Math.round(elapsedMs),
    checksPerSecond: Math.round((asked / Math.max(elapsedMs, 1)) * 1_000),
    latencyUs,
    ...tallyReport(replayed.tally, options.top),
    recorded: options.recordFile ?? null,
  };
}

async function readPolicies(path: string): Promise<{ text: string; document: PolicyDocument }> {
  const text = await readFile(path, "utf8");
  return { text, document: parsePolicyText(text, path) };
}

function newRun(total: number, keepsRows: boolean, { signal, stderr }: CommandIo): ReplayRun {
  return { signal, nowMs, keepsRows, progress: new Progress(stderr, total, nowMs) };
}

function nowMs(): number {
  return performance.now();
}

function print<T>(
  report: T,
  toText: (report: T) => string,
  { options, io }: { readonly options: ReplayOptions; readonly io: CommandIo },
): void {
  io.stdout.write(options.asJson ? `${JSON.stringify(report, null, 2)}\n` : toText(report));
}
