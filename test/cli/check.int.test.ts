import { afterAll, beforeAll, expect, it } from "vitest";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, runCommand } from "../../cli/command.ts";
import { check } from "../../cli/check.ts";
import { startRegion, type TestRegion } from "../harness/region.ts";
import { runParl } from "./child.ts";

const POLICIES = `
version: 1
policies:
  - { name: three-a-year, dimension: key, match: { tenant: acme }, algorithm: fixed-window, limit: 3, window: 366d }
`;

let region: TestRegion;
let here: string[];

beforeAll(async () => {
  region = await startRegion({ policies: POLICIES });
  here = ["--regions", `eu=${region.nats.url}`, "--tenant", "acme"];
});

afterAll(() => region.stop());

async function run(...argv: string[]) {
  const printed = { stdout: "", stderr: "" };
  const code = await runCommand(check, argv, {
    stdout: { write: (text: string) => (printed.stdout += text) },
    stderr: { write: (text: string) => (printed.stderr += text) },
    signal: new AbortController().signal,
    env: {},
  });
  return { code, ...printed };
}

it("says in a sentence what was decided, and exits by it", async () => {
  expect(await run("a", ...here, "--tokens", "2")).toMatchObject({
    code: EXIT_OK,
    stdout: expect.stringMatching(
      /^allowed in eu: 1 of 3 left under three-a-year \(key\), all back in \d+ ms\n$/,
    ),
  });
  expect(await run("a", ...here, "--tokens", "2")).toMatchObject({
    code: EXIT_FAILED,
    stdout: expect.stringMatching(
      /^denied in eu: 1 of 3 left under three-a-year \(key\), retry after \d+ ms\n$/,
    ),
  });
  expect(await run("a", ...here, "--tokens", "4")).toMatchObject({
    code: EXIT_FAILED,
    stdout: "never in eu: the cost is more than three-a-year (key) can hold\n",
  });
  expect(await run("a", "--regions", here[1] as string)).toMatchObject({
    code: EXIT_OK,
    stdout: "allowed in eu: no policy applies\n",
  });
});

it("prints the whole decision as JSON", async () => {
  const { stdout } = await run("b", ...here, "--json", "--id", "once");
  expect(JSON.parse(stdout)).toMatchObject({
    allowed: true,
    remaining: 2,
    policy: "three-a-year",
    dimension: "key",
    region: "eu",
    blind: false,
  });
  expect((await run("b", ...here, "--json", "--id", "once")).stdout).toContain('"remaining":2');
});

it.each([
  [["a", "--tokens", "-1"], EXIT_USAGE, /--tokens/],
  [["a", "--tokens", "1.5"], EXIT_USAGE, /--tokens must be a whole number/],
  [["a", "--tier", "best"], EXIT_USAGE, /--tier takes approximate, leased, strong, got best/],
  [["a", "--deadline-ms", "0"], EXIT_USAGE, /--deadline-ms/],
  [[], EXIT_USAGE, /<key>/],
  [["", "--tenant", "acme"], EXIT_FAILED, /key must be a non-empty string/],
  [["a", "--tier", "strong"], EXIT_FAILED, /tier strong is not available/],
])("says what is wrong with %j", async (argv, code, message) => {
  const answer = await run(...argv, "--regions", here[1] as string);
  expect(answer).toMatchObject({ code, stdout: "" });
  expect(answer.stderr).toMatch(/^parl check: [^\n]*\n$/);
  expect(answer.stderr).toMatch(message);
});

it("as a process exits with what it says, and in one line when nobody answers", async () => {
  const [allowed, alone] = await Promise.all([
    runParl(["check", "c", ...here]),
    runParl(["check", "c", "--regions", "eu=nats://127.0.0.1:9"]),
  ]);
  expect(allowed).toMatchObject({ code: EXIT_OK, stderr: "" });
  expect(alone).toEqual({
    code: EXIT_FAILED,
    stdout: "",
    stderr: "parl check: region eu does not answer at nats://127.0.0.1:9; is it running (npm start)?\n",
  });
});
