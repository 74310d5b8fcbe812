/** A command run like a function: what it printed, and the code it ended with. */
import { runCommand, type Command } from "../../cli/command.ts";

export async function runHere(command: Command, ...argv: string[]) {
  const printed = { stdout: "", stderr: "" };
  const code = await runCommand(command, argv, {
    stdout: { write: (text: string) => (printed.stdout += text) },
    stderr: { write: (text: string) => (printed.stderr += text) },
    signal: new AbortController().signal,
    env: {},
  });
  return { code, ...printed };
}
