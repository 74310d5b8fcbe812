/** What deciding a recording again found out, as one JSON document and as text for people. */
import type { DecisionLog } from "../../sim/decision-log.ts";
import { printable } from "../../sim/printable.ts";
import type { Disagreement, PolicyAgreement, Redecision } from "../../sim/redecide.ts";
import { grouped, table } from "../table.ts";
import type { ReplayOptions } from "./options.ts";

export interface RedecideReport {
  readonly mode: "redecide";
  readonly file: string;
  readonly accessLogSha256: string;
  /** Decisions made again. */
  readonly decisions: number;
  readonly disagreements: number;
  /** Null without --oracle. */
  readonly oracleDisagreements: number | null;
  readonly policies: readonly (PolicyAgreement & { readonly policy: string })[];
  /** The first few rows on which the recording, offline and the oracle differ. */
  readonly examples: readonly Disagreement[];
  /** Answered by no shard, not answered, and decided but not in the recording: nothing to compare. */
  readonly blind: number;
  readonly unanswered: number;
  readonly missing: number;
}

export function redecideReport(
  log: DecisionLog,
  redecision: Redecision,
  { file, withOracle }: Pick<ReplayOptions, "file" | "withOracle">,
): RedecideReport {
  const { decisions, disagreements, referenceDisagreements, blind, examples } = redecision;
  return {
    mode: "redecide",
    file,
    accessLogSha256: log.accessLogSha256,
    decisions,
    disagreements,
    oracleDisagreements: withOracle ? referenceDisagreements : null,
    policies: [...redecision.policies].map(([policy, agreement]) => ({ policy, ...agreement })),
    examples,
    blind,
    unanswered: log.unanswered,
    missing: redecision.missing(),
  };
}

export function redecideText(report: RedecideReport): string {
  const { blind, unanswered, missing } = report;
  const lines = [`${printable(report.file, 120)}: ${grouped(report.decisions)} decisions made again\n`];
  lines.push(policyTable(report), `${verdict(report)}\n`);
  if (report.examples.length > 0) lines.push(exampleTable(report.examples));
  if (blind + unanswered + missing > 0) {
    lines.push(
      `Not compared: ${grouped(blind)} blind answers, ${grouped(unanswered)} checks without an answer, ` +
        `${grouped(missing)} decisions the recording does not have (other traffic, lost answers).\n`,
    );
  }
  return lines.join("\n");
}

function policyTable({ policies, oracleDisagreements }: RedecideReport): string {
  const rows = policies.map(
    ({ policy, decisions, denied, disagreements, referenceDisagreements }) =>
      [policy, decisions, denied, decisions - disagreements, decisions - referenceDisagreements] as const,
  );
  const header = ["policy", "decisions", "denied", "offline agrees", "oracle agrees"];
  const columns = oracleDisagreements === null ? 4 : 5;
  return table(
    header.slice(0, columns),
    rows.map((row) => row.slice(0, columns)),
  );
}

function verdict({ decisions, disagreements, oracleDisagreements }: RedecideReport): string {
  const all = grouped(decisions);
  const offline =
    disagreements === 0
      ? `Recorded and offline agree on all ${all} decisions.`
      : `Recorded and offline DISAGREE on ${grouped(disagreements)} of ${all} decisions.`;
  if (oracleDisagreements === null) return offline;
  return oracleDisagreements === 0
    ? `${offline} The exact oracle agrees with every recorded one.`
    : `${offline} The exact oracle DISAGREES with ${grouped(oracleDisagreements)} recorded ones.`;
}

function exampleTable(examples: readonly Disagreement[]): string {
  const rows = examples.map(({ row, offline, reference }) => [
    `${row.region} ${row.sequence}`,
    printable(`${row.tenant}/${row.key}`, 48),
    decisionText(row),
    decisionText(offline),
    reference ?? "",
  ]);
  return table(["decision", "tenant/key", "recorded", "offline", "oracle"], rows);
}

function decisionText({ outcome, policy, remaining, retryAfterUs }: Disagreement["offline"]): string {
  const wait = outcome === "denied" ? `retry ${retryAfterUs} µs` : `${remaining} left`;
  return `${outcome}, ${wait}, ${policy ?? "no policy"}`;
}
