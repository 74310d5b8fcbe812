/**
 * One run of Vitest with at most one bug planted (vitest.config.ts), and its report read back. The run is a
 * process of its own that ends with this one at the latest.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { spawnOnLifeline } from "../../deploy/lifeline.ts";
import { ROOT } from "./mutant.ts";
import type { EndedRun, TestReport } from "./verdict.ts";

export interface TestRun {
  /** Name of the mutant; undefined = the code as it is. */
  readonly mutant: string | undefined;
  /** Test files, from ROOT. */
  readonly tests: readonly string[];
  readonly workers: number;
  /** Where reports are written. */
  readonly folder: string;
  /** Ends the run at once. */
  readonly signal: AbortSignal;
}

/** A bug may well be an endless loop, which nothing in the same process can end. */
const PATIENCE_MS = 60_000;
const LINES_KEPT = 5;

export async function runTests({ mutant, tests, workers, folder, signal }: TestRun): Promise<EndedRun> {
  const path = join(folder, `${mutant ?? "unmutated"}.json`);
  const vitest = fileURLToPath(new URL("vitest.mjs", import.meta.resolve("vitest/package.json")));
  const config = ["--root", ROOT, "--config", "sim/mutants/vitest.config.ts", "--configLoader", "native"];
  const report = ["--reporter", "json", "--outputFile", path];
  const args = [vitest, "run", ...tests, ...config, "--maxWorkers", String(workers), ...report];
  const child = spawnOnLifeline(process.execPath, args, {
    env: { ...process.env, PARL_MUTANT: mutant ?? "" },
    // A Ctrl-C at the terminal is ours to pass on.
    detached: true,
  });
  const lines: string[] = [];
  for (const input of [child.stdout, child.stderr]) {
    if (input === null) continue;
    createInterface({ input }).on("line", (line) => {
      if (line.trim() !== "") lines.push(line.trim());
      if (lines.length > LINES_KEPT) lines.shift();
    });
  }
  const kill = (): void => void child.kill("SIGKILL");
  const ending = AbortSignal.any([
    signal,
    AbortSignal.timeout(mutant === undefined ? 5 * PATIENCE_MS : PATIENCE_MS),
  ]);
  ending.addEventListener("abort", kill);
  if (ending.aborted) kill();
  process.once("exit", kill);
  const [code, by] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  ending.removeEventListener("abort", kill);
  process.off("exit", kill);
  return { report: await reportAt(path), how: by ?? code ?? "unknown", lastWords: lines.join(" / ") };
}

async function reportAt(path: string): Promise<TestReport | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as TestReport;
  } catch {
    return undefined;
  }
}
