/**
 * What a subcommand of `parl` is: a name, words about it, and a run that ends in an exit code.
 *
 * A command receives everything it may touch (where to print, when to stop, the environment), so a test
 * runs it like a function. Exit codes are the usual ones: 0 done, 1 it did not work, 2 used wrongly,
 * 130 stopped by Ctrl-C.
 */
import { ParlError } from "../core/errors.ts";
import { errorBody } from "../core/wire-json.ts";
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

/** What a running command is given. */
export interface RunIo extends CommandIo {
  /** Says on stderr what does not work, as `runCommand` does, and goes on. @param region where, if in one only */
  complain(error: ParlError, region?: string): void;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `--help` prints; see flags.ts `helpText`. */
  readonly help: string;
  /** @returns the exit code */
  run(argv: readonly string[], io: RunIo): Promise<number>;
}

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_INTERRUPTED = 130;

/**
 * Runs a command as a program would: answers `--help`, and turns an expected error into one line on
 * stderr, of JSON under `--json`. An error nobody expected is a bug and passes through, stack and all.
 */
export async function runCommand(command: Command, argv: readonly string[], io: CommandIo): Promise<number> {
  if (asksForHelp(argv)) {
    io.stdout.write(command.help);
    return EXIT_OK;
  }
  const program = `parl ${command.name}`;
  const complain = (error: ExpectedError, region?: string): void =>
    void io.stderr.write(complaint(program, error, argv, region));
  try {
    return await command.run(argv, { ...io, complain });
  } catch (error) {
    if (isExpected(error)) {
      complain(error);
      return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
    }
    if (io.signal.aborted && error instanceof Error && error.name === "AbortError") return EXIT_INTERRUPTED;
    throw error;
  }
}

/** The line that says what went wrong: for people, or `{"error":{…}}` for who asks for JSON. */
export function complaint(
  program: string,
  error: ExpectedError,
  argv: readonly string[],
  region?: string,
): string {
  if (flagsOf(argv).includes("--json"))
    return `${JSON.stringify({ error: { ...fieldsOf(error), region } })}\n`;
  const where = region === undefined ? "" : `${region}: `;
  const help = error instanceof UsageError ? `; see ${program} --help` : "";
  return `${program}: ${where}${error.message}${help}\n`;
}

/** What a failure is told by: ours, or the system's under its own code. */
function fieldsOf(error: ExpectedError): object {
  if (error instanceof ParlError) return errorBody(error).error;
  const { message } = error;
  if (error instanceof UsageError) return { code: "PARL_INVALID_ARGUMENT", field: error.field, message };
  return { code: error.code, field: error.path, message };
}

function asksForHelp(argv: readonly string[]): boolean {
  const flags = flagsOf(argv);
  return flags.includes("--help") || flags.includes("-h");
}

function flagsOf(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf("--");
  return end === -1 ? argv : argv.slice(0, end);
}

type ExpectedError = ParlError | UsageError | NodeJS.ErrnoException;

function isExpected(error: unknown): error is ExpectedError {
  return error instanceof ParlError || error instanceof UsageError || isSystemError(error);
}

/** What Node throws for a file that is not there, a taken port, a refused connection. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}
