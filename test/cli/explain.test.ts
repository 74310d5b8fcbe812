import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "../../cli/command.ts";
import { explain } from "../../cli/explain.ts";
import { runHere } from "./command-run.ts";

const POLICIES = `
version: 1
policies:
  - { name: hourly, dimension: key, algorithm: sliding-window, limit: 1000, window: 1h }
  - { name: bursty, dimension: user, algorithm: gcra, limit: 600, window: 60s, burst: 1200 }
  - { name: quick, dimension: org, algorithm: token-bucket, limit: 100, window: 1s }
  - { name: lenient, dimension: global, algorithm: fixed-window, limit: 500, window: 1d, onCrash: fresh }
  - { name: never, dimension: key, algorithm: fixed-window, limit: 0, window: 1h }
`;

let folder: string;
let here: readonly string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "parl-explain-"));
  const file = join(folder, "policies.yaml");
  await writeFile(file, POLICIES);
  here = ["--policies", file];
});

afterAll(() => rm(folder, { recursive: true }));

async function explained(...argv: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await runHere(explain, ...argv, "--json", ...here);
  expect({ code, stderr }).toEqual({ code: EXIT_OK, stderr: "" });
  return (JSON.parse(stdout) as { policies: Record<string, unknown>[] }).policies;
}

describe("parl explain", () => {
  it("says of every policy how much it allows, and of what a crash costs at most", async () => {
    const regions = "each region enforces it by itself, exactly, over all of its processes";
    expect(await explained()).toEqual([
      {
        policy: "hourly",
        rule: "1000 per 1h and key, by sliding-window",
        horizonMs: 3_600_000,
        crash:
          "a crash costs each key at most 50 units (5 % of 1000) and what checks were lent beyond 25, and admits nothing twice",
        crashUnits: 50,
        unjournalledMax: 25,
        regions,
      },
      {
        policy: "bursty",
        rule: "600 per 1m and user, 1200 at once, by gcra",
        horizonMs: 120_000,
        crash: "a crash costs each key at most 60 units (5 % of 1200), and admits nothing twice",
        crashUnits: 60,
        unjournalledMax: 60,
        regions,
      },
      {
        policy: "quick",
        rule: "100 per 1s and org, by token-bucket",
        horizonMs: 1_000,
        crash: "after a crash every key starts exhausted, for up to 1s",
        crashUnits: null,
        unjournalledMax: null,
        regions,
      },
      {
        policy: "lenient",
        rule: "500 per 1d and global, by fixed-window",
        horizonMs: 86_400_000,
        crash: "onCrash: fresh: each crash may admit up to 500 more per key",
        crashUnits: null,
        unjournalledMax: null,
        regions,
      },
      {
        policy: "never",
        rule: "0 per 1h and key, by fixed-window",
        horizonMs: 0,
        crash: "a crash changes nothing: everything is denied",
        crashUnits: null,
        unjournalledMax: null,
        regions,
      },
    ]);
  });

  it("says it of one policy alone, in sentences", async () => {
    const { code, stdout } = await runHere(explain, "bursty", ...here);
    expect(code).toBe(EXIT_OK);
    expect(stdout.split("\n")).toEqual([
      "bursty",
      "  600 per 1m and user, 1200 at once, by gcra; an exhausted key is as new after 2m",
      "  a crash costs each key at most 60 units (5 % of 1200), and admits nothing twice",
      "  each region enforces it by itself, exactly, over all of its processes",
      "",
    ]);
    const never = await runHere(explain, "never", ...here);
    expect(never.stdout.split("\n")[1]).toBe("  0 per 1h and key, by fixed-window");
    expect((await explained("quick")).map(({ policy }) => policy)).toEqual(["quick"]);
  });

  it("keeps policies apart by an empty line", async () => {
    const { stdout } = await runHere(explain, ...here);
    expect(stdout.split("\n\n").map((part) => part.split("\n")[0])).toEqual([
      "hourly",
      "bursty",
      "quick",
      "lenient",
      "never",
    ]);
  });

  it("knows which policies there are", async () => {
    const { code, stderr } = await runHere(explain, "other", ...here);
    expect(code).toBe(EXIT_USAGE);
    expect(stderr).toContain(
      'no policy is named "other"; there are hourly, bursty, quick, lenient, never; see parl explain --help',
    );
  });

  it("says what is wrong with a file", async () => {
    const bad = ["--policies", "test/fixtures/policies/bad/limits.yaml"];
    expect(await runHere(explain, ...bad)).toMatchObject({
      code: EXIT_FAILED,
      stdout: "",
      stderr: expect.stringContaining("limits.yaml has 9 problems") as string,
    });
  });

  it("explains the policies that PARL ships with", async () => {
    const { stdout } = await runHere(explain, "--policies", "deploy/policies/default.yaml", "--json");
    const { policies } = JSON.parse(stdout) as { policies: { policy: string }[] };
    expect(policies.map(({ policy }) => policy)).toEqual(["per-key", "per-user", "per-org", "everybody"]);
  });
});
