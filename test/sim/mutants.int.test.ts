/** The command as far as it plants nothing; `npm run verify:mutants` is the rest. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { MUTANTS } from "../../sim/mutants/catalogue.ts";

const PROGRAM = new URL("../../sim/mutants.ts", import.meta.url).pathname;

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const ended = promisify(execFile)(process.execPath, [PROGRAM, ...args]);
  return ended.then(
    (said) => ({ code: 0, ...said }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

describe("verify:mutants", () => {
  it("lists what it plants, for people and for programs", async () => {
    const [shown, json] = await Promise.all([run("--list"), run("--list", "--json")]);
    expect([shown.code, json.code]).toEqual([0, 0]);
    for (const { name, test } of MUTANTS) {
      const line = shown.stdout.split("\n").find((each) => each.startsWith(`${name} `));
      expect(line, name).toContain(test);
    }
    expect(JSON.parse(json.stdout)).toEqual({ mutants: MUTANTS });
  });

  it.each([
    [["--only", "skip-the-fense"], 'perhaps skip-the-fence, got "skip-the-fense"'],
    [["--onyl", "skip-the-fence"], "'--onyl'"],
    [["skip-the-fence"], "'skip-the-fence'"],
  ])("refuses %j in one line", async (args, words) => {
    const { code, stdout, stderr } = await run(...args);
    expect(stderr).toMatch(/^verify:mutants: .*\n$/);
    expect(stderr).toContain(words);
    expect([code, stdout]).toEqual([2, ""]);
  });
});
