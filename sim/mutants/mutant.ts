/**
 * A bug that somebody could write any day, planted in one module: the rule it breaks, and the test that must
 * turn red for it.
 */
import { fileURLToPath } from "node:url";
import { invalidArgument } from "../../core/errors.ts";

/** Of the repository: where the files of a mutant are counted from. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface Mutant {
  /** As in `--only`: what the bug does, in two to four words. */
  readonly name: string;
  /** The rule it breaks, as a sentence that is true of the code as it stands. */
  readonly breaks: string;
  /** From ROOT, like `test`. */
  readonly file: string;
  /** Occurs exactly once in the file; as short as that allows. */
  readonly find: string;
  readonly replace: string;
  /** The one test file that turns red. With several nobody would know which of them guards the rule. */
  readonly test: string;
}

/** The module with the bug in it. @throws ParlError PARL_INVALID_ARGUMENT when there is not one place for it */
export function planted(source: string, { name, file, find, replace }: Mutant): string {
  const parts = source.split(find);
  const [before, after] = parts;
  if (before !== undefined && after !== undefined && parts.length === 2) return before + replace + after;
  const rule = `text that occurs once in ${file} (it occurs ${parts.length - 1} times)`;
  throw invalidArgument(`find of the mutant ${name}`, rule, find);
}
