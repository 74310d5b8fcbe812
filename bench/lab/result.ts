/**
 * An experiment's result as files: JSON with everything it depends on, CSV for a spreadsheet, SVG and PNG to look at.
 * All are written, or none; an exact experiment writes the same bytes every time.
 */
import { join } from "node:path";
import { csvLine } from "../csv.ts";
import type { Machine } from "../machine.ts";
import { writeAllWhole } from "../output-file.ts";
import { redisVersion } from "../redis-process.ts";
import type { Cell, Experiment, Finding, Scale } from "./experiment.ts";
import { pngOf, svgOf } from "./plot.ts";

const DIGITS = 6;

export interface Result {
  readonly experiment: string;
  readonly title: string;
  readonly hypothesis: string;
  readonly seed: number;
  /** Present when rows depend on it: figures of time and memory, or a smaller run. */
  readonly machine?: Machine;
  readonly redis?: string;
  /** When it was measured, UTC. */
  readonly date?: string;
  readonly quick?: true;
  readonly rows: readonly Finding[];
}

/** @param date when the run begins, UTC */
export async function resultOf(
  experiment: Experiment,
  scale: Scale,
  machine: Machine,
  date: string,
): Promise<Result> {
  const { name, title, hypothesis, isExact, needsRedis = false } = experiment;
  const where = isExact
    ? {}
    : {
        machine,
        ...(needsRedis && { redis: redisVersion() }),
        date,
        ...(scale.isQuick && { quick: true as const }),
      };
  const found = await experiment.run(scale);
  const rows = isExact ? found : found.map(measured);
  return { experiment: name, title, hypothesis, seed: scale.seed, ...where, rows };
}

function inDigits(value: Cell): Cell {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(DIGITS)) : value;
}

/** No measurement is good to more digits. */
function measured(row: Finding): Finding {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, inDigits(value)]));
}

/** One row a line, so that a change of a number is a change of a line. */
export function jsonText({ rows, ...about }: Result): string {
  const head = JSON.stringify(about, null, 2).replace(/\n\}$/, "");
  return `${head},\n  "rows": [\n${rows.map((row) => `    ${JSON.stringify(row)}`).join(",\n")}\n  ]\n}\n`;
}

/** All four or none. @throws ParlError PARL_INVALID_FILE naming the file that cannot be written */
export async function writeResult(folder: string, experiment: Experiment, result: Result): Promise<void> {
  const path = (extension: string): string => join(folder, `${experiment.name}.${extension}`);
  const { rows } = result;
  const svg = await svgOf(experiment.chart(rows));
  const table = [csvLine(Object.keys(rows[0] ?? {})), ...rows.map((row) => csvLine(Object.values(row)))];
  await writeAllWhole(
    new Map<string, Iterable<string | Uint8Array>>([
      [path("json"), [jsonText(result)]],
      [path("csv"), table],
      [path("svg"), [svg]],
      [path("png"), [pngOf(svg)]],
    ]),
  );
}
