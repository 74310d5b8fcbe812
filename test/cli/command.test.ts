import { statSync } from "node:fs";
import { expect, it } from "vitest";
import { runCommand, type Command } from "../../cli/command.ts";
import { UsageError } from "../../cli/flags.ts";
import { invalidArgument } from "../../core/errors.ts";

async function outcomeOf(run: Command["run"], argv: readonly string[] = []) {
  const printed = { stdout: "", stderr: "" };
  const io = {
    stdout: { write: (text: string) => (printed.stdout += text) },
    stderr: { write: (text: string) => (printed.stderr += text) },
    signal: new AbortController().signal,
    env: {},
  };
  const command: Command = { name: "dance", summary: "Dances.", help: "Usage: parl dance\n", run };
  return { code: await runCommand(command, argv, io), ...printed };
}

it("ends a command with the code it returns", async () => {
  expect(await outcomeOf(() => Promise.resolve(3))).toEqual({ code: 3, stdout: "", stderr: "" });
});

const run = (): Promise<number> => Promise.resolve(3);

it("answers --help without running the command, unless it stands behind --", async () => {
  expect(await outcomeOf(run, ["x", "--help"])).toMatchObject({ code: 0, stdout: "Usage: parl dance\n" });
  expect(await outcomeOf(run, ["-h"])).toMatchObject({ code: 0 });
  expect(await outcomeOf(run, ["--", "--help"])).toMatchObject({ code: 3, stdout: "" });
});

it("says what was used wrongly, points to --help and exits 2", async () => {
  expect(await outcomeOf(() => Promise.reject(new UsageError("unknown flag --x")))).toEqual({
    code: 2,
    stdout: "",
    stderr: "parl dance: unknown flag --x; see parl dance --help\n",
  });
});

it("says in one line what went wrong and exits 1", async () => {
  const refused = await outcomeOf(() => Promise.reject(invalidArgument("tokens", "whole", 1.5)));
  expect(refused).toMatchObject({ code: 1, stderr: "parl dance: tokens must be whole, got 1.5\n" });
  const missing = await outcomeOf(() => Promise.resolve(statSync("/no/such/file").size));
  expect(missing.stderr).toMatch(/^parl dance: ENOENT: .*\n$/);
});

it("lets a bug through with its stack", async () => {
  await expect(outcomeOf(() => Promise.reject(new TypeError("x is undefined")))).rejects.toThrow(TypeError);
});
