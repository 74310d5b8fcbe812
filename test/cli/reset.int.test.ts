import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "../../cli/command.ts";
import { reset } from "../../cli/reset.ts";
import { DeskRegion } from "../actors/desk-region.ts";
import { runHere } from "./command-run.ts";

let region: DeskRegion;
let here: readonly string[];

beforeAll(async () => {
  region = await DeskRegion.start();
  here = ["--regions", `eu=${region.nats.url}`, "--tenant", "acme"];
});

afterAll(() => region.stop());

beforeEach(() => {
  region.forgotten.length = 0;
  region.refusing.clear();
});

it("says what the key had and has, and what was kept", async () => {
  expect(
    await runHere(reset, "alice", ...here, "--user", "u 1", "--by", "anna", "--reason", "ticket 7"),
  ).toEqual({
    code: EXIT_OK,
    stdout: [
      "region  policy    dimension  before                     after\n",
      "eu      per-key   key        0 of 10 left, wait 600 ms  10 of 10 left\n",
      "eu      per-user  key        0 of 10 left, wait 600 ms  10 of 10 left\n",
      "kept: per-org, everybody (--policy names one)\n",
    ].join(""),
    stderr: "",
  });
  expect(region.forgotten.map(({ policies }) => policies)).toHaveLength(2);
  const lines = await region.lines((line) => line["claimedBy"] === "anna");
  expect(lines).toMatchObject([
    { phase: "asked", reason: "ticket 7" },
    { phase: "ended", outcome: "done" },
  ]);
});

it("resets under one policy, in one region, and prints JSON", async () => {
  const regions = `us=nats://127.0.0.1:9,${here[1]}`;
  const named = ["--tenant", "acme", "--policy", "per-org", "--regions", regions, "--region", "eu"];
  const { code, stdout } = await runHere(reset, "alice", ...named, "--json");
  expect(code).toBe(EXIT_OK);
  expect(JSON.parse(stdout)).toMatchObject({
    regions: [{ region: "eu", key: "alice", user: null, resets: [{ policy: "per-org" }], failures: [] }],
  });
  expect(region.forgotten).toMatchObject([{ ids: "acme.alice", policies: ["per-org"] }]);
});

it("exits with 1 and says what was not done", async () => {
  region.refusing.add("per-user");
  const { code, stdout, stderr } = await runHere(reset, "alice", ...here, "--user", "u1");
  expect(code).toBe(EXIT_FAILED);
  expect(stdout).toContain("per-key");
  expect(stderr).toBe("parl reset: eu: per-user not reset: the mailbox is full\n");
  expect(await runHere(reset, "alice", ...here, "--policy", "other")).toEqual({
    code: EXIT_FAILED,
    stdout: "",
    stderr:
      "parl reset: eu: policy other does not apply to this key; these do: per-key, per-org, everybody (a user's only when userId is given)\n",
  });
});

it.each([
  [[], EXIT_USAGE, /<key> is missing/],
  [["a", "b"], EXIT_USAGE, /unexpected "b"/],
  [["a", "--region", "mars"], EXIT_USAGE, /region must be one of eu/],
  [["a", "--by", "anna\n"], EXIT_FAILED, /by must be 1 to 128 printable characters/],
  [["a", "--policy", "Per Key"], EXIT_FAILED, /policy must be the name of a policy/],
])("says what is wrong with %j", async (argv, code, message) => {
  const answer = await runHere(reset, ...argv, ...here);
  expect(answer.code).toBe(code);
  expect(answer.stderr).toMatch(message);
  expect(region.forgotten).toEqual([]);
});
