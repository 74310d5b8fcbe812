import { afterAll, beforeAll, expect, it } from "vitest";
import { check } from "../../cli/check.ts";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "../../cli/command.ts";
import { observe } from "../../cli/observe.ts";
import { homeShard, SHARDS_DEFAULT } from "../../core/key.ts";
import { startRegion, type TestRegion } from "../harness/region.ts";
import { runHere } from "./command-run.ts";

const POLICIES = `
version: 1
policies:
  - { name: three-a-year, dimension: key, algorithm: fixed-window, limit: 3, window: 366d }
  - { name: per-user, dimension: user, algorithm: gcra, limit: 100, window: 60s, burst: 7 }
`;

let region: TestRegion;
let here: readonly string[];

beforeAll(async () => {
  region = await startRegion({ policies: POLICIES });
  here = ["--regions", `eu=${region.nats.url}`];
  await runHere(check, "alice", ...here, "--tenant", "acme", "--tokens", "2");
});

afterAll(() => region.stop());

/** Columns of the table's lines. */
async function cells(...argv: string[]): Promise<string[][]> {
  const { code, stdout, stderr } = await runHere(observe, ...argv, ...here);
  expect({ code, stderr }).toEqual({ code: EXIT_OK, stderr: "" });
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/\s{2,}/));
}

it("shows what a key has left under every policy, and charges nothing", async () => {
  const shard = String(homeShard("acme", "u1", SHARDS_DEFAULT));
  for (let i = 0; i < 2; i += 1) {
    const [header, ...rows] = await cells("key", "alice", "--tenant", "acme", "--user", "u1");
    expect(header?.join()).toBe("region,shard,policy,dimension,algorithm,remaining,limit,ms to wait,bucket");
    expect(new Set(rows.map((row) => row.join()))).toEqual(
      new Set([
        `eu,${shard},three-a-year,key,fixed-window,1,3,0,its own`,
        `eu,${shard},per-user,user,gcra,7,100,0,its own`,
      ]),
    );
  }
});

it("shows a policy, a shard, the region", async () => {
  const [, policy] = await cells("policy", "per-user");
  expect(policy).toEqual(["eu", "per-user", "user", "gcra", "100", "60,000", "7", "allow"]);
  const shard = homeShard("acme", "alice", SHARDS_DEFAULT);
  const [header, row] = await cells("shard", String(shard));
  expect(header).toEqual(["region", "shard", "owner", "since", "epoch", "decided", "keys", "bytes"]);
  expect(row?.slice(0, 2)).toEqual(["eu", String(shard)]);
  expect(row?.[3]).toMatch(/^20\d\d-\d\d-\d\dT/);
  expect(row?.slice(5, 7)).toEqual(["1", "1"]);
  const [, total, , figures, numbers] = await cells("region", "--region", "eu");
  expect(total?.slice(0, 5)).toEqual(["eu", "1", "64", "0", "1"]);
  const titles = "region,checks,at once %,borrows/1,000,units lent,forfeited,denied,maybe wrong %";
  expect(figures?.join()).toBe(titles);
  // One check, of keys that are all at home here.
  expect(numbers).toEqual(["eu", "1", "100", "0", "0", "0", "0", "–"]);
});

it("prints what the regions say as JSON", async () => {
  const { stdout } = await runHere(observe, "key", "alice", "--tenant", "acme", "--json", ...here);
  expect(JSON.parse(stdout)).toMatchObject({
    regions: [
      { region: "eu", tenant: "acme", key: "alice", policies: [{ policy: "three-a-year", remaining: 1 }] },
    ],
  });
});

it("says of a region as JSON how its checks go", async () => {
  const { stdout } = await runHere(observe, "region", "--json", ...here);
  expect(JSON.parse(stdout)).toMatchObject({
    regions: [
      {
        region: "eu",
        figures: { checks: 1, late: 0, atOnceShare: 1, borrowsPer1000: 0, denied: 0, doubtfulShare: null },
        tallies: { lent: { units: 0 }, openings: { fresh: 64, exhausted: 0 } },
      },
    ],
  });
});

it("shows the regions that answer, and exits with 1 for those that do not", async () => {
  const regions = `${here[1]},us=nats://127.0.0.1:9`;
  const { code, stdout, stderr } = await runHere(observe, "region", "--regions", regions);
  expect(code).toBe(EXIT_FAILED);
  expect(stdout).toMatch(/^region .*\neu .*\n\nregion .*\neu .*\n$/);
  expect(stderr).toMatch(/^parl observe: us: region us does not answer[^\n]*\n$/);
});

it.each([
  [[], EXIT_USAGE, /key\|policy\|shard\|region is missing/],
  [["planet"], EXIT_USAGE, /must be one of key, policy, shard, region, got "planet"/],
  [["key"], EXIT_USAGE, /observe key needs the key/],
  [["region", "eu"], EXIT_USAGE, /takes no name, but --region "eu"/],
  [["shard", "x"], EXIT_USAGE, /the shard must be a whole number, got "x"/],
  [["shard", "64"], EXIT_FAILED, /shard must be a whole number from 0 to 63/],
  [["policy", "other"], EXIT_FAILED, /no policy is named other; there are: three-a-year, per-user/],
])("says what is wrong with %j", async (argv, code, message) => {
  const answer = await runHere(observe, ...argv, ...here);
  expect(answer).toMatchObject({ code, stdout: "" });
  expect(answer.stderr).toMatch(message);
});
