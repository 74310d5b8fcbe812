import { statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runCommand, type Command } from "../../cli/command.ts";
import { UsageError } from "../../cli/flags.ts";
import { invalidArgument, ParlError } from "../../core/errors.ts";

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

/** A command that ends in an error. */
function failing(error: Error): Command["run"] {
  return async () => {
    throw error;
  };
}

const complains: Command["run"] = (_, io) => {
  io.complain(new ParlError("PARL_UNAVAILABLE", "gone\nand away", { field: "regions" }), "us");
  return Promise.resolve(1);
};

describe("with --json", () => {
  it.each([
    [
      new UsageError("unknown flag --x", "x"),
      2,
      { code: "PARL_INVALID_ARGUMENT", field: "x", message: "unknown flag --x" },
    ],
    [new UsageError("--a needs --b"), 2, { code: "PARL_INVALID_ARGUMENT", message: "--a needs --b" }],
    [
      new ParlError("PARL_OVERLOADED", "come back later", { field: "key", retryAfterMs: 100 }),
      1,
      { code: "PARL_OVERLOADED", field: "key", message: "come back later", retryAfterMs: 100 },
    ],
  ])("an error is one line of JSON, with the same exit code: %s", async (error, code, fields) => {
    const ended = await outcomeOf(failing(error), ["--json"]);
    expect(ended).toEqual({ code, stdout: "", stderr: `${JSON.stringify({ error: fields })}\n` });
  });

  it("so is what the system says, under its own code and with the path", async () => {
    const missing = await outcomeOf(() => Promise.resolve(statSync("/no/such/file").size), ["a", "--json"]);
    expect(missing.code).toBe(1);
    expect(JSON.parse(missing.stderr)).toEqual({
      error: { code: "ENOENT", field: "/no/such/file", message: expect.stringMatching(/^ENOENT: /) },
    });
  });

  it("so is what a command says while it goes on, and where", async () => {
    expect(JSON.parse((await outcomeOf(complains, ["--json"])).stderr)).toEqual({
      error: { code: "PARL_UNAVAILABLE", field: "regions", message: "gone\nand away", region: "us" },
    });
    expect((await outcomeOf(complains, ["--json"])).stderr.match(/\n/g)).toHaveLength(1);
    expect((await outcomeOf(complains)).stderr).toBe("parl dance: us: gone\nand away\n");
  });

  it("that stands behind -- is no flag", async () => {
    const failed = await outcomeOf(() => Promise.reject(new UsageError("no")), ["--", "--json"]);
    expect(failed.stderr).toMatch(/^parl dance: no; see /);
  });
});

it("lets a bug through with its stack", async () => {
  await expect(outcomeOf(() => Promise.reject(new TypeError("x is undefined")))).rejects.toThrow(TypeError);
});
