/** The reports of a series of runs as one table, and below it what was broken. */
import { shownTable } from "../table.ts";
import type { ScenarioReport } from "./scenario.ts";

type Judged = Omit<ScenarioReport, "calls">;

/** Figures that every run has; the others follow in a column of their own. */
const COLUMNS = [
  "calls",
  "admitted",
  "failed",
  "unknown",
  "gap_ms",
  "takeover_ms",
  "latency_max_ms",
  "over_max",
  "under_max",
  "offered",
] as const;

export function shownReport(reports: readonly Judged[]): string {
  const head = ["scenario", "seed", "verdict", ...COLUMNS, "more"];
  const rows = reports.map(({ scenario, seed, isKept, measured }) => [
    scenario,
    String(seed),
    verdictOf(isKept, measured),
    ...COLUMNS.map((name) => shownNumber(measured[name])),
    Object.entries(measured)
      .filter(([name]) => !(COLUMNS as readonly string[]).includes(name))
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
  ]);
  const table = shownTable(head, rows, (column) => column >= 3 && column < head.length - 1);
  const broken = reports.flatMap(({ scenario, seed, violations }) =>
    violations.map(
      ({ check, subject, message }) => `${scenario} (seed ${seed}): ${check}: ${subject}: ${message}`,
    ),
  );
  return table + (broken.length > 0 ? `\n${broken.join("\n")}\n` : "");
}

function verdictOf(isKept: boolean, measured: Judged["measured"]): string {
  if (!isKept) return "BROKEN";
  return measured["left_out"] === undefined ? "kept" : "left out";
}

function shownNumber(value: number | undefined): string {
  return value === undefined ? "-" : String(value);
}
