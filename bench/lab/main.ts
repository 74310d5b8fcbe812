/**
 * `npm run lab`: every experiment, from its seed to its table and plot.
 *
 *      experiment ──▶ rows ──▶ docs/lab/<name>.json .csv .svg .png
 */
import { fileURLToPath } from "node:url";
import { invalidArgument } from "../../core/errors.ts";
import { runCommand } from "../command.ts";
import type { Flags } from "../flags.ts";
import { describeMachine, machineLine } from "../machine.ts";
import { Progress } from "../progress.ts";
import { alignedTable } from "../report.ts";
import type { Cell, Experiment } from "./experiment.ts";
import { EXPERIMENTS } from "./experiments.ts";
import { resultOf, writeResult, type Result } from "./result.ts";

const FOLDER = fileURLToPath(new URL("../../docs/lab", import.meta.url));
/** Rows shown on screen; the files have all. */
const ROWS_SHOWN = 20;

await runCommand({
  synopsis: `npm run lab -- [flags]: runs the experiments and writes their tables and plots\n\n${EXPERIMENTS.map(
    ({ name, title }) => `  ${name.padEnd(18)}${title}`,
  ).join("\n")}`,
  flags: {
    quick: { about: "smaller runs of what takes long" },
    only: { value: "NAME,…", about: "these experiments only" },
    out: { value: "FOLDER", about: "where the files go [docs/lab]" },
    seed: { value: "N", about: "seed of all that is drawn", fallback: "1" },
    json: { about: "print one line of JSON an experiment instead of tables" },
  },
  run,
});

async function run(flags: Flags): Promise<void> {
  const machine = describeMachine();
  const seed = flags.count("seed", { min: 0 });
  const isJson = flags.has("json");
  if (!isJson) process.stdout.write(`${machineLine(machine)}\n`);
  for (const experiment of chosen(flags)) {
    const progress = new Progress(experiment.name);
    const scale = { isQuick: flags.has("quick"), seed, progress: (share: number) => progress.update(share) };
    const result = await resultOf(experiment, scale, machine);
    await writeResult(flags.text("out") ?? FOLDER, experiment, result);
    progress.done();
    process.stdout.write(isJson ? `${JSON.stringify(result)}\n` : tableOf(result));
  }
}

/** @throws ParlError when `--only` names one that is not there */
function chosen(flags: Flags): readonly Experiment[] {
  const names = flags.text("only")?.split(",");
  const unknown = names?.find((name) => EXPERIMENTS.every((experiment) => experiment.name !== name));
  if (unknown !== undefined) {
    throw invalidArgument("--only", `names of ${EXPERIMENTS.map(({ name }) => name).join(", ")}`, unknown);
  }
  return EXPERIMENTS.filter(({ name }) => names === undefined || names.includes(name));
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
