/** A script file that breaks the rules of its room: a mistake in this repository, never in a request. */
export class ScriptLoaderError extends Error {
  override readonly name = "ScriptLoaderError";

  /** @param path the file, and the files that included it */
  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
  }
}
