/**
 * What a subcommand of `parl` is: a name, words about it, and a run that ends in an exit code.
 *
 * A command receives everything it may touch (where to print, when to stop, the environment), so a test
 * runs it like a function. Exit codes are the usual ones: 0 done, 1 it did not work, 2 used wrongly,
 * 130 stopped by Ctrl-C.
 */
import { ParlError } from "../core/errors.ts";
import { UsageError } from "./flags.ts";

/** Where text goes; process.stdout and process.stderr are two. */
export interface TextSink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface CommandIo {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  /** Aborted by the first Ctrl-C: stop cleanly, print what there is. */
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `--help` prints; see flags.ts `helpText`. */
  readonly help: string;
  /** @returns the exit code */
  run(argv: readonly string[], io: CommandIo): Promise<number>;
}

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_INTERRUPTED = 130;

/**
 * Runs a command as a program would: answers `--help`, and turns an expected error into one line on
 * stderr. An error nobody expected is a bug and passes through, stack and all.
 */
export async function runCommand(command: Command, argv: readonly string[], io: CommandIo): Promise<number> {
  if (asksForHelp(argv)) {
    io.stdout.write(command.help);
    return EXIT_OK;
  }
  try {
    return await command.run(argv, io);
  } catch (error) {
    if (error instanceof UsageError) {
      io.stderr.write(`parl ${command.name}: ${error.message}; see parl ${command.name} --help\n`);
      return EXIT_USAGE;
    }
    if (error instanceof ParlError || isSystemError(error)) {
      io.stderr.write(`parl ${command.name}: ${error.message}\n`);
      return EXIT_FAILED;
    }
    if (io.signal.aborted && error instanceof Error && error.name === "AbortError") return EXIT_INTERRUPTED;
    throw error;
  }
}

function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  const flags = end === -1 ? argv : argv.slice(0, end);
  return flags.includes("--help") || flags.includes("-h");
}

/** What Node throws for a file that is not there, a taken port, a refused connection. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}
