import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { check } from "../../cli/check.ts";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "../../cli/command.ts";
import { shards } from "../../cli/shards.ts";
import { homeShard, SHARDS_DEFAULT } from "../../core/key.ts";
import { startNatsServer } from "../harness/nats-server.ts";
import { startRegion, type TestRegion } from "../harness/region.ts";
import { runHere } from "./command-run.ts";

const POLICIES = `
version: 1
policies:
  - { name: daily, dimension: key, algorithm: fixed-window, limit: 1000, window: 366d }
`;
const QUICK = ["--watch-ms", "10"];

let region: TestRegion;
let here: readonly string[];

beforeAll(async () => {
  region = await startRegion({ policies: POLICIES });
  here = ["--regions", `eu=${region.nats.url}`];
  for (let i = 0; i < 3; i += 1) await runHere(check, "alice", ...here, "--tenant", "acme");
});

afterAll(() => region.stop());

async function lines(...argv: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await runHere(shards, ...argv, "--json", ...QUICK, ...here);
  expect({ code, stderr }).toEqual({ code: EXIT_OK, stderr: "" });
  const said = JSON.parse(stdout) as { unowned: number; shards: Record<string, unknown>[] };
  expect(said.unowned).toBe(0);
  return said.shards;
}

describe("parl shards", () => {
  it("lists every shard once, in order, with its owner", async () => {
    const all = await lines();
    expect(all.map(({ shard }) => shard)).toEqual(
      Array.from({ length: SHARDS_DEFAULT }, (_, shard) => shard),
    );
    expect(new Set(all.map(({ region: name, member }) => `${String(name)} ${String(member)}`))).toEqual(
      new Set([`eu ${region.actor.member}`]),
    );
    for (const { epoch, sinceUs } of all) {
      expect(Number.isSafeInteger(epoch)).toBe(true);
      expect(Math.abs(Number(sinceUs) / 1_000 - Date.now())).toBeLessThan(120_000);
    }
    const home = homeShard("acme", "alice", SHARDS_DEFAULT);
    expect(all.filter(({ keys }) => keys !== 0)).toMatchObject([{ shard: home, keys: 1, decided: 3 }]);
  });

  it("tells how busy each is while it watches", async () => {
    const home = homeShard("acme", "bob", SHARDS_DEFAULT);
    const watch = { isOver: false };
    const asking = (async () => {
      while (!watch.isOver) await runHere(check, "bob", ...here, "--tenant", "acme", "--tokens", "0");
    })();
    const said = await runHere(shards, "--json", "--watch-ms", "1000", ...here);
    watch.isOver = true;
    await asking;
    const { shards: busy, processes } = JSON.parse(said.stdout) as {
      shards: { shard: number; checksPerS: number }[];
      processes: Record<string, unknown>[];
    };
    expect(processes).toMatchObject([{ member: region.actor.member, atOnceShare: 1, borrowsPer1000: 0 }]);
    // Since it was looked at, not since the start.
    const perS = busy.reduce((sum, { checksPerS }) => sum + checksPerS, 0);
    expect(processes[0]?.["checks"]).toBe(perS);
    expect(busy.filter(({ checksPerS }) => checksPerS > 0).map(({ shard }) => shard)).toEqual([home]);
  });

  it("sums up by process, or lists each shard", async () => {
    const short = await runHere(shards, "eu", ...QUICK, ...here);
    const rows = short.stdout.trimEnd().split("\n");
    expect(rows.map((row) => row.split(/\s{2,}/)[0])).toEqual(["region", "eu"]);
    const header = "region,process,shards,since,keys,checks/s,at once %,borrows/1,000";
    expect(rows[0]?.split(/\s{2,}/).join()).toBe(header);
    expect(rows[1]?.split(/\s{2,}/).slice(1, 3)).toEqual([region.actor.member, "64"]);
    const each = await runHere(shards, "--each", ...QUICK, ...here);
    expect(each.stdout.trimEnd().split("\n").length).toBe(1 + SHARDS_DEFAULT);
    expect(each.stdout).toMatch(/^region +shard +owner +since +epoch +keys +to write +checks\/s\n/);
  });

  it("says that nobody is there, and what to do", async () => {
    const empty = await startNatsServer();
    try {
      expect(await runHere(shards, ...QUICK, "--regions", `eu=${empty.url}`)).toEqual({
        code: EXIT_FAILED,
        stdout: "",
        stderr: "parl shards: no process of region eu answers; start one with parl actor --region eu\n",
      });
    } finally {
      await empty.stop();
    }
  });

  it.each([
    [["us"], /region must be one of eu .*got "us"/],
    [["--watch-ms", "0"], /--watch-ms must be a whole number from 1 to 60000/],
    [["eu", "us"], /us/],
  ])("says what is wrong with %j", async (argv, message) => {
    const answer = await runHere(shards, ...argv, ...here);
    expect(answer).toMatchObject({ code: EXIT_USAGE, stdout: "" });
    expect(answer.stderr).toMatch(message);
  });
});
