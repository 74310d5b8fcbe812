/** What every command of the bench shares: `--help`, one clear line for an error, an exit code that says so. */
import { constants } from "node:os";
import { ERRORS, ParlError } from "../core/errors.ts";
import { Flags, helpText, type FlagTable } from "./flags.ts";
import { unwritable } from "./output-file.ts";

export interface Command {
  readonly synopsis: string;
  readonly flags: FlagTable;
  /** Whether words without dashes mean anything. */
  readonly takesWords?: boolean;
  run(flags: Flags): Promise<void>;
}

const ENDING = [
  ["SIGINT", constants.signals.SIGINT],
  ["SIGTERM", constants.signals.SIGTERM],
] as const;

const EXIT_FAILED = 1;
const EXIT_WRONG = 2;

/** Exit code 2: the request was wrong; 1: it could not be carried out. */
export async function runCommand(command: Command): Promise<void> {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // A reader that has seen enough (`| head`) is no error.
    if (error.code === "EPIPE") process.exit(0);
    process.stderr.write(`${unwritable("standard output", error).message}\n`);
    process.exit(EXIT_WRONG);
  });
  // Only an orderly end takes the children along.
  for (const [signal, number] of ENDING) process.once(signal, () => process.exit(128 + number));
  const args = process.argv.slice(2);
  if (args.includes("--help")) {
    process.stdout.write(helpText(command.synopsis, command.flags));
    return;
  }
  try {
    await command.run(new Flags(command.flags, args, { takesWords: command.takesWords === true }));
  } catch (error) {
    if (!(error instanceof ParlError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = ERRORS[error.code].http < 500 ? EXIT_WRONG : EXIT_FAILED;
  }
}
