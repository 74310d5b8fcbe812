/**
 * An experiment's result as files: JSON with everything it depends on, CSV for a spreadsheet, SVG and PNG to look at.
 * Each is written whole or not at all; an exact experiment writes the same bytes every time.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { csvLine } from "../csv.ts";
import type { Machine } from "../machine.ts";
import { writeWhole } from "../output-file.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";
import { pngOf, svgOf } from "./plot.ts";

export interface Result {
  readonly experiment: string;
  readonly title: string;
  readonly hypothesis: string;
  readonly seed: number;
  /** Present when rows depend on it: figures of time and memory, or a smaller run. */
  readonly machine?: Machine;
  readonly quick?: true;
  readonly rows: readonly Finding[];
}

export async function resultOf(experiment: Experiment, scale: Scale, machine: Machine): Promise<Result> {
  const { name, title, hypothesis, isExact } = experiment;
  const rows = await experiment.run(scale);
  const where = isExact ? {} : { machine, ...(scale.isQuick && { quick: true as const }) };
  return { experiment: name, title, hypothesis, seed: scale.seed, ...where, rows };
}

/** One row a line, so that a change of a number is a change of a line. */
export function jsonText({ rows, ...about }: Result): string {
  const head = JSON.stringify(about, null, 2).replace(/\n\}$/, "");
  return `${head},\n  "rows": [\n${rows.map((row) => `    ${JSON.stringify(row)}`).join(",\n")}\n  ]\n}\n`;
}

/** @throws ParlError PARL_INVALID_FILE naming the file that cannot be written */
export async function writeResult(folder: string, experiment: Experiment, result: Result): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = (extension: string): string => join(folder, `${experiment.name}.${extension}`);
  const { rows } = result;
  const svg = await svgOf(experiment.chart(rows));
  await writeWhole(path("json"), [jsonText(result)]);
  await writeWhole(path("csv"), [
    csvLine(Object.keys(rows[0] ?? {})),
    ...rows.map((row) => csvLine(Object.values(row))),
  ]);
  await writeWhole(path("svg"), [svg]);
  await writeWhole(path("png"), [pngOf(svg)]);
}
