/** The selection page as a file: results are read from their folder, the page is written beside it. */
import { readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ParlError } from "../../../core/errors.ts";
import { isSystemError, writeWhole } from "../../output-file.ts";
import { EXPERIMENTS } from "../experiments.ts";
import type { Result } from "../result.ts";
import { selectionPage } from "./page.ts";

/** `docs/lab` has its page in docs. */
export function selectionPath(folder: string): string {
  return join(dirname(resolve(folder)), "SELECTION.md");
}

/** Results by experiment; what was never run is not among them. @throws ParlError for a file that is none */
export async function readResults(folder: string): Promise<Map<string, Result>> {
  const results = new Map<string, Result>();
  for (const { name } of EXPERIMENTS) {
    const path = join(folder, `${name}.json`);
    try {
      results.set(name, JSON.parse(await readFile(path, "utf8")) as Result);
    } catch (cause) {
      if (isSystemError(cause) && cause.code === "ENOENT") continue;
      const message = `cannot read ${path}: ${(cause as Error).message}; run \`npm run lab -- ${name}\` again`;
      throw new ParlError("PARL_INVALID_FILE", message, { field: name, cause });
    }
  }
  return results;
}

/**
 * Whole or not at all, and of quick runs only where it is said.
 * @throws ParlError as selectionPage and writeWhole
 */
export async function writeSelection(folder: string, { isQuick }: { isQuick: boolean }): Promise<string> {
  const path = selectionPath(folder);
  const results = await readResults(folder);
  const quick = [...results.values()]
    .filter(({ quick: is }) => is === true)
    .map(({ experiment }) => experiment);
  if (quick.length > 0 && !isQuick) {
    const message = `${quick.join(", ")} in ${folder} ran with --quick: run \`npm run lab -- ${quick.join(" ")}\``;
    throw new ParlError("PARL_INVALID_FILE", message, { field: "quick" });
  }
  const page = selectionPage(results, EXPERIMENTS, basename(resolve(folder)));
  await writeWhole(path, [page]);
  return path;
}
