/**
 * One run as one row: the same columns, in the same order, in CSV, JSON and the table on screen. The first
 * thirteen are the comparison; the rest say what was run and where.
 */
import { readFile } from "node:fs/promises";
import { ParlError } from "../core/errors.ts";
import { csvLine } from "./csv.ts";
import { isSystemError, replaceable, writeWhole } from "./output-file.ts";

export interface Row {
  readonly algo: string;
  readonly backend: string;
  readonly dist: string;
  readonly rate: number | null;
  readonly keys: number;
  /** Null where decisions and trace have no clock in common. */
  readonly over_admit_pct: number | null;
  readonly under_admit_pct: number | null;
  readonly bytes_per_key: number;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly p999_us: number;
  readonly decisions_per_s: number;
  readonly redis_used_mem: number | null;
  readonly envelope: string;
  readonly pace: string;
  readonly clock: string;
  readonly batch: number | null;
  readonly batch_as: string | null;
  readonly round_trips: number;
  readonly shape: string;
  readonly zipf_s: number | null;
  readonly seed: number | null;
  readonly trace: string | null;
  readonly limit: number;
  readonly window_us: number;
  readonly burst: number;
  readonly duration_us: number;
  readonly events: number;
  readonly denied: number;
  readonly distinct_keys: number;
  readonly held_keys: number;
  readonly live_keys: number;
  readonly elapsed_s: number;
  readonly cpu: string;
  readonly cores: number;
  readonly memory_gib: number;
  readonly node: string;
  readonly commit: string;
}

/** Columns are the row's own members in order: a row is always built whole. */
export function csvText(row: Row): string {
  return `${csvLine(Object.keys(row))}${csvLine(Object.values(row))}`;
}

/** Appends to a CSV file of the same columns, or starts one. */
export async function appendCsv(path: string, row: Row): Promise<void> {
  const before = await existing(await replaceable(path));
  const header = csvLine(Object.keys(row));
  if (before !== "" && !before.startsWith(header)) {
    const message = `${path} has other columns than this version writes; name another file with --csv`;
    throw new ParlError("PARL_INVALID_FILE", message, { field: "csv" });
  }
  await writeWhole(path, [before === "" ? header : before, csvLine(Object.values(row))]);
}

export function tableText(row: Row): string {
  return Object.entries(row)
    .map(([name, value]) => `${name.padEnd(18)}${shownValue(value)}\n`)
    .join("");
}

async function existing(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (isSystemError(cause) && cause.code === "ENOENT") return "";
    if (!isSystemError(cause)) throw cause;
    throw new ParlError("PARL_INVALID_FILE", `cannot read ${path}: ${cause.message}`, {
      field: "csv",
      cause,
    });
  }
}

function shownValue(value: string | number | null): string {
  if (value === null) return "–";
  return typeof value === "number" ? value.toLocaleString("en-US", { maximumFractionDigits: 4 }) : value;
}
