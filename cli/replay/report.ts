/**
 * What a replay found out, as one JSON document and as text for people. Times are those of the log, in UTC.
 */
import { OUTCOMES, type Outcome } from "../../core/decision.ts";
import { US_PER_MS } from "../../core/units.ts";
import type { OddReason } from "../../sim/access-log.ts";
import type { LoggedTraffic, OddLine } from "../../sim/logged-traffic.ts";
import { printable } from "../../sim/printable.ts";
import type { LimitedKey, LimitingPolicy, ReplayTally } from "../../sim/replay-tally.ts";
import type { Unanswered } from "./replayed.ts";
import { grouped, table } from "../table.ts";

export interface ReplayReport {
  readonly mode: "live" | "offline";
  readonly log: LogReport;
  /** Checks the log stands for, and those that were asked before somebody stopped the replay. */
  readonly checks: number;
  readonly asked: number;
  readonly isInterrupted: boolean;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** Of the outcomes: answered by `onFailure`, because no shard could. */
  readonly blind: number;
  /** Checks without an answer. */
  readonly unanswered: readonly Unanswered[];
  readonly elapsedMs: number;
  readonly checksPerSecond: number;
  /** From asking to the answer; null where nothing was sent. */
  readonly latencyUs: { readonly p50: number; readonly p99: number } | null;
  readonly policies: readonly Timed<LimitingPolicy>[];
  readonly limitedKeys: number;
  /** The keys refused most often. */
  readonly limitedMost: readonly Timed<LimitedKey>[];
  /** The decision log written, if any. */
  readonly recorded: string | null;
}

interface LogReport {
  readonly file: string;
  readonly sha256: string;
  readonly lines: number;
  readonly requests: number;
  readonly outOfOrder: number;
  readonly firstAt: string | null;
  readonly lastAt: string | null;
  readonly oddLines: number;
  readonly oddReasons: Readonly<Partial<Record<OddReason, number>>>;
  readonly oddExamples: readonly OddLine[];
}

type Timed<T> = Omit<T, "firstUs" | "lastUs"> & { readonly firstAt: string; readonly lastAt: string };

const KEY_WIDTH_MAX = 48;
const ODD_WIDTH_MAX = 100;

export function logReport(file: string, sha256: string, traffic: LoggedTraffic): LogReport {
  const { checks, oddReasons, lines, requests, outOfOrder, oddLines, oddExamples } = traffic;
  const [first, last] = [checks[0], checks.at(-1)];
  return {
    file,
    sha256,
    lines,
    requests,
    outOfOrder,
    firstAt: first === undefined ? null : isoTime(first.atUs),
    lastAt: last === undefined ? null : isoTime(last.atUs),
    oddLines,
    oddReasons: Object.fromEntries(oddReasons),
    oddExamples,
  };
}

/** Who was limited, as far as `top` keys. */
export function tallyReport(
  tally: ReplayTally,
  top: number,
): Pick<ReplayReport, "outcomes" | "policies" | "limitedKeys" | "limitedMost"> {
  const limited = tally.limitedKeys();
  return {
    outcomes: tally.outcomes,
    policies: tally.limitingPolicies().map(timed),
    limitedKeys: limited.length,
    limitedMost: limited.slice(0, top).map(timed),
  };
}

export function reportText(report: ReplayReport): string {
  const parts = [logText(report.log), replayText(report), outcomeTable(report)];
  if (report.policies.length > 0) parts.push(policyTable(report), keyTable(report));
  if (report.recorded !== null) parts.push(`The decisions are in ${report.recorded}.\n`);
  return parts.join("\n");
}

export function logText(log: LogReport): string {
  const span = log.firstAt === null ? "" : `, ${clock(log.firstAt)} to ${clock(log.lastAt ?? "")} UTC`;
  const order = log.outOfOrder === 0 ? "" : `; ${grouped(log.outOfOrder)} out of order, sorted`;
  const lines = [`${printable(log.file, 120)}: ${grouped(log.requests)} requests${span}${order}`];
  if (log.oddLines > 0) {
    const reasons = Object.entries(log.oddReasons).map(([reason, count]) => `${grouped(count)} ${reason}`);
    lines.push(`Odd lines, left out: ${reasons.join(", ")}`);
    for (const { line, reason, text } of log.oddExamples) {
      lines.push(`  line ${line}, ${reason}: ${printable(text, ODD_WIDTH_MAX)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function replayText(report: ReplayReport): string {
  const { asked, checks, elapsedMs, checksPerSecond, latencyUs } = report;
  const count = report.isInterrupted ? `${grouped(asked)} of ${grouped(checks)}` : grouped(asked);
  const where =
    report.mode === "live" ? "Replayed through the running system" : "Decided here, at the log's own times";
  const rate = `${(elapsedMs / 1_000).toFixed(1)} s, ${grouped(checksPerSecond)}/s`;
  const wait =
    latencyUs === null ? "" : `, latency p50 ${millis(latencyUs.p50)}, p99 ${millis(latencyUs.p99)}`;
  return `${where}: ${count} checks in ${rate}${wait}${report.isInterrupted ? "; stopped early" : ""}\n`;
}

function outcomeTable(report: ReplayReport): string {
  const rows = OUTCOMES.map((outcome) => [outcome, report.outcomes[outcome]] as const);
  const blind = report.blind > 0 ? [["of these blind (onFailure)", report.blind] as const] : [];
  const missing = report.unanswered.map(({ code, count }) => [`unanswered: ${code}`, count] as const);
  const reasons = report.unanswered.map(({ code, message }) => `${code}: ${message}\n`);
  return table(["outcome", "checks"], [...rows, ...blind, ...missing]) + reasons.join("");
}

function policyTable(report: ReplayReport): string {
  const rows = report.policies.map(({ policy, refused, keys, firstAt, lastAt }) => [
    policy,
    refused,
    keys,
    clock(firstAt),
    clock(lastAt),
  ]);
  return table(["limited by policy", "refused", "keys", "first", "last"], rows);
}

function keyTable(report: ReplayReport): string {
  const rows = report.limitedMost.map(({ tenant, key, refused, checks, firstAt, lastAt, policies }) => [
    printable(key, KEY_WIDTH_MAX),
    printable(tenant, KEY_WIDTH_MAX),
    refused,
    checks,
    clock(firstAt),
    clock(lastAt),
    Object.entries(policies)
      .map(([policy, count]) => `${policy} ${grouped(count)}`)
      .join(", "),
  ]);
  const title = `key (${rows.length} of ${grouped(report.limitedKeys)} limited)`;
  return table([title, "tenant", "refused", "of", "first", "last", "by"], rows);
}

function timed<T extends { readonly firstUs: number; readonly lastUs: number }>(spell: T): Timed<T> {
  const { firstUs, lastUs, ...rest } = spell;
  return { ...rest, firstAt: isoTime(firstUs), lastAt: isoTime(lastUs) };
}

function isoTime(us: number): string {
  return new Date(us / US_PER_MS).toISOString();
}

/** `2015-05-17 10:05:03`; logs know whole seconds. */
function clock(iso: string): string {
  return iso.slice(0, 19).replace("T", " ");
}

function millis(us: number): string {
  return `${(us / US_PER_MS).toFixed(us < 10_000 ? 2 : 0)} ms`;
}
