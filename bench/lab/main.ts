/**
 * `npm run lab`: every experiment, from its seed to its table and plot.
 *
 *      experiment ──▶ rows ──▶ docs/lab/<name>.json .csv .svg .png ──▶ docs/SELECTION.md
 */
import { fileURLToPath } from "node:url";
import { invalidArgument } from "../../core/errors.ts";
import { runCommand } from "../command.ts";
import type { Flags } from "../flags.ts";
import { makeFolder } from "../output-file.ts";
import { describeMachine, machineLine } from "../machine.ts";
import { Progress } from "../progress.ts";
import { alignedTable } from "../report.ts";
import type { Cell, Experiment } from "./experiment.ts";
import { EXPERIMENTS } from "./experiments.ts";
import { resultOf, writeResult, type Result } from "./result.ts";
import { writeSelection } from "./selection/selection-file.ts";

const ROOT = new URL("../../", import.meta.url);
const FOLDER = fileURLToPath(new URL("docs/lab", ROOT));
/** Beside what set-up has obtained, and no more to be committed than that. */
const QUICK_FOLDER = fileURLToPath(new URL(".parl/lab", ROOT));
/** Rows shown on screen; the files have all. */
const ROWS_SHOWN = 20;
const NAME_WIDTH = 2 + Math.max(...EXPERIMENTS.map(({ name }) => name.length));

await runCommand({
  synopsis: `npm run lab -- [flags] [NAME …]: runs all experiments, or those named, and writes tables and plots.

${EXPERIMENTS.map(({ name, title, isExact }) => `  ${name.padEnd(NAME_WIDTH)}${isExact ? "exact   " : "measured"}  ${title}`).join("\n")}

Exact ones give the same bytes everywhere, in seconds; measured ones say what this machine does. A run of all ends with
SELECTION.md, beside the folder: which limiter, and why.`,
  flags: {
    quick: { about: "smaller runs of what is measured; the files go to .parl/lab, which is not committed" },
    out: { value: "FOLDER", about: "where the files go [docs/lab]" },
    selection: { about: "run nothing: make SELECTION.md of the results that are there" },
    seed: { value: "N", about: "seed of all that is drawn", fallback: "1" },
    json: { about: "print one line of JSON an experiment instead of tables" },
  },
  takesWords: true,
  run,
});

async function run(flags: Flags): Promise<void> {
  const machine = describeMachine();
  const seed = flags.count("seed", { min: 0 });
  const isJson = flags.has("json");
  const isQuick = flags.has("quick");
  const experiments = chosen(flags.words);
  const folder = flags.text("out") ?? (isQuick ? QUICK_FOLDER : FOLDER);
  if (flags.has("selection")) {
    if (flags.words.length > 0) throw invalidArgument("NAME", "left out with --selection", flags.words[0]);
    return tellSelection(folder, isQuick);
  }
  // Before anything takes its time.
  await makeFolder(folder);
  if (!isJson) process.stdout.write(`${machineLine(machine)}\n`);
  for (const experiment of experiments) {
    const progress = new Progress(experiment.name);
    const scale = { isQuick, seed, progress: (share: number) => progress.update(share) };
    const result = await resultOf(experiment, scale, machine, new Date().toISOString()).finally(() =>
      progress.done(),
    );
    await writeResult(folder, experiment, result);
    process.stdout.write(isJson ? `${JSON.stringify(result)}\n` : tableOf(result));
  }
  // Some of them make no page; a test tells when they have made the page untrue.
  if (flags.words.length === 0) await tellSelection(folder, isQuick);
}

/** On standard error: what a run prints is its results. */
async function tellSelection(folder: string, isQuick: boolean): Promise<void> {
  process.stderr.write(`${await writeSelection(folder, { isQuick })}\n`);
}

/** All when none is named. @throws ParlError for a name that is none */
function chosen(names: readonly string[]): readonly Experiment[] {
  const unknown = names.find((name) => EXPERIMENTS.every((experiment) => experiment.name !== name));
  if (unknown !== undefined) {
    throw invalidArgument("NAME", `one of ${EXPERIMENTS.map(({ name }) => name).join(", ")}`, unknown);
  }
  return EXPERIMENTS.filter(({ name }) => names.length === 0 || names.includes(name));
}

function tableOf({ title, rows }: Result): string {
  const columns = Object.keys(rows[0] ?? {});
  const shown = rows
    .slice(0, ROWS_SHOWN)
    .map((row) => columns.map((column) => shownCell(row[column] ?? null)));
  const rest = rows.length > ROWS_SHOWN ? `… ${rows.length - ROWS_SHOWN} rows more\n` : "";
  return `\n${title}\n\n${alignedTable(columns, shown)}${rest}`;
}

function shownCell(cell: Cell): string {
  if (cell === null) return "–";
  return typeof cell === "number" ? cell.toLocaleString("en-US", { maximumFractionDigits: 2 }) : cell;
}
