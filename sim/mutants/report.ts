/** What became of the mutants, and what there are, for people; the programs' twin is `--json`. */
import { shownTable } from "../table.ts";
import type { Mutant } from "./mutant.ts";
import type { Verdict } from "./verdict.ts";

export interface Judged {
  readonly mutant: Mutant;
  readonly verdict: Verdict;
  readonly tookMs: number;
}

/** Every mutant with what it breaks, and the command that plants it. */
export function shownCatalogue(mutants: readonly Mutant[]): string {
  const rows = mutants.map(({ name, breaks, file, test }) => [name, breaks, file, test]);
  return `${shownTable(["mutant", "the rule it breaks", "planted in", "must turn red"], rows)}
One alone: npm run verify:mutants -- --only <mutant>
`;
}

/** A line for each mutant, and below them what was not caught. */
export function shownReport(all: readonly Judged[]): string {
  const rows = all.map(({ mutant, verdict, tookMs }) => [
    mutant.name,
    shownOutcome(verdict),
    `${(tookMs / 1_000).toFixed(1)} s`,
    mutant.test,
    verdict.outcome === "caught" ? verdict.by : "",
  ]);
  const loose = all.filter(({ verdict }) => verdict.outcome !== "caught").map(complaint);
  const caught = all.length - loose.length;
  return [
    shownTable(["mutant", "verdict", "took", "test", "caught by"], rows),
    ...["", ...loose].map((line) => `${line}\n`),
    `${caught} of ${all.length} caught\n`,
  ].join("");
}

export function shownOutcome({ outcome }: Verdict): string {
  return outcome === "caught" ? outcome : outcome.toUpperCase();
}

/** What is to be done about a mutant that was not caught. */
function complaint({ mutant: { name, breaks, file, test }, verdict }: Judged): string {
  if (verdict.outcome === "unclear") return `${name}: says nothing: ${verdict.why}`;
  return `${name}: survived: ${test} is green though ${file} no longer keeps this: ${breaks}`;
}
