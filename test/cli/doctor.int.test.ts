import { fileURLToPath } from "node:url";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { MemberObservation } from "../../actors/observation.ts";
import type { RegionObservation } from "../../actors/region-census.ts";
import { EXIT_FAILED, EXIT_OK, runCommand } from "../../cli/command.ts";
import { doctor } from "../../cli/doctor.ts";
import { connectRedis } from "../../lua/redis-connection.ts";
import { startNatsServer } from "../harness/nats-server.ts";
import { startRedisServer } from "../harness/redis-server.ts";
import { startRegion, type TestRegion } from "../harness/region.ts";
import { ParlChild } from "./child.ts";

const GOOD_POLICIES = fileURLToPath(new URL("../../deploy/policies/default.yaml", import.meta.url));
const BAD_POLICIES = fileURLToPath(new URL("../fixtures/policies/bad/limits.yaml", import.meta.url));

interface FindingLine {
  readonly subject: string;
  readonly isGood: boolean;
  readonly detail: string;
}

let region: TestRegion;

beforeAll(async () => {
  region = await startRegion();
});

afterAll(() => region.stop());

async function examine(...argv: string[]) {
  let stdout = "";
  const code = await runCommand(doctor, argv, {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: () => true },
    signal: new AbortController().signal,
    env: process.env,
  });
  return { code, stdout };
}

/** What is wrong, by subject. */
async function complaints(...argv: string[]): Promise<Map<string, string>> {
  const { code, stdout } = await examine(...argv, "--json");
  const { findings } = JSON.parse(stdout) as { findings: FindingLine[] };
  const bad = findings.filter(({ isGood }) => !isGood);
  expect(code).toBe(bad.length === 0 ? EXIT_OK : EXIT_FAILED);
  return new Map(bad.map(({ subject, detail }) => [subject, detail]));
}

const at = (url: string): string[] => ["--regions", `eu=${url}`, "--policies", GOOD_POLICIES];

it("finds nothing wrong with a region that works", async () => {
  expect(await complaints(...at(region.nats.url))).toEqual(new Map());
  const { stdout } = await examine(...at(region.nats.url));
  expect(stdout).not.toContain("WRONG");
});

it("says that a tenant holds as many keys as it may, which is nothing wrong", async () => {
  const policy = "{ name: per-key, dimension: key, algorithm: gcra, limit: 10, window: 1d }";
  const crowded = await startRegion({ policies: `version: 1\nkeysMax: 1\npolicies:\n  - ${policy}\n` });
  onTestFinished(() => crowded.stop());
  const nats = await connect({ servers: crowded.nats.url });
  for (let n = 0; n < 4_000; n += 1) nats.publish(`parl.check.acme.invented-${n}`, "{}");
  await nats.flush();
  await expect
    .poll(async () => (await examine(...at(crowded.nats.url))).stdout)
    .toMatch(
      /ok .*\d+ checks of new keys shared an overflow bucket, 1 tenants hold as many keys as they may/,
    );
  await nats.close();
});

it("charges nothing and leaves no key", async () => {
  const nats = await connect({ servers: region.nats.url });
  const keys = async () => (await nats.request("parl.observe.region", "")).json<{ keys: number }>().keys;
  await examine(...at(region.nats.url));
  expect(await keys()).toBe(0);
  await nats.close();
});

it("names what is wrong: a broken policy file, a server that is down, a number of shards that does not fit", async () => {
  const wrong = await complaints("--regions", "eu=nats://127.0.0.1:9", "--policies", BAD_POLICIES);
  expect([...wrong.keys()]).toEqual(["policies", "eu: nats"]);
  expect(wrong.get("policies")).toContain("9 problems");
  expect(wrong.get("eu: nats")).toMatch(
    /^no NATS server answers at nats:\/\/127.0.0.1:9; .* with --regions$/,
  );
  expect([...(await complaints(...at(region.nats.url), "--shards", "63")).keys()].join()).toContain("eu");
});

it("does not take a file that nobody reads for the policies in force", async () => {
  const folder = await mkdtemp(join(tmpdir(), "parl-doctor-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const other = join(folder, "other.yaml");
  await writeFile(
    other,
    "version: 1\npolicies: [{ name: mine, dimension: key, algorithm: gcra, limit: 1, window: 1s }]",
  );
  const { stdout } = await examine("--regions", `eu=${region.nats.url}`, "--policies", other);
  expect(stdout).toMatch(
    /ok +eu: actor .* decides by per-key, per-user, .* not what the policies looked at say/,
  );
  expect((await examine(...at(region.nats.url))).stdout).not.toContain("decides by");
});

it("tells why a running process does not go by its policy file, whatever file doctor itself reads", async () => {
  const folder = await mkdtemp(join(tmpdir(), "parl-doctor-"));
  const policies = join(folder, "running.yaml");
  await copyFile(GOOD_POLICIES, policies);
  const server = await startNatsServer();
  const flags = ["--nats", server.url, "--policies", policies, "--claim-at-once"];
  const actor = new ParlChild(["actor", "--region", "eu", "--id", "eu-7", ...flags]);
  onTestFinished(async () => {
    await actor.stop();
    await server.stop();
    await rm(folder, { recursive: true });
  });
  await actor.untilPrinted(/ready/);
  expect(await complaints(...at(server.url))).toEqual(new Map());

  await copyFile(BAD_POLICIES, policies);
  await expect.poll(async () => [...(await complaints(...at(server.url))).keys()]).toEqual(["eu: policies"]);
  const wrong = (await complaints(...at(server.url))).get("eu: policies");
  expect(wrong).toContain(`last good ones kept by eu-7: ${policies} has 9 problems:`);
  expect(wrong).toContain("policies[0].limit must be");

  await copyFile(GOOD_POLICIES, policies);
  await expect.poll(() => complaints(...at(server.url))).toEqual(new Map());
});

it("says whose clock is ahead", async () => {
  const nats = await connect({ servers: region.nats.url });
  const seen = (await nats.request("parl.observe.region", "")).json<RegionObservation>();
  await nats.close();
  const [member] = seen.members as [MemberObservation];
  const clockUs = member.clockUs as number;
  expect(Math.abs(clockUs - Date.now() * 1_000)).toBeLessThan(5_000_000);
  const server = await startNatsServer();
  const told = await connect({ servers: server.url });
  onTestFinished(async () => {
    await told.close();
    await server.stop();
  });
  let aheadUs = 1_000_000;
  told.subscribe("parl.observe.region", {
    callback: (_, message) => {
      const [fast, older] = [
        { ...member, member: "eu-2", clockUs: clockUs + aheadUs },
        { ...member, member: "eu-3" },
      ];
      delete (older as { clockUs?: number }).clockUs;
      message.respond(JSON.stringify({ ...seen, members: [{ ...member, member: "eu-1" }, fast, older] }));
    },
  });
  await told.flush();
  expect((await examine(...at(server.url))).stdout).toMatch(/ok +eu: clocks +of 2 processes agree/);
  aheadUs = 90_500_000;
  const wrong = await complaints(...at(server.url));
  expect([...wrong.keys()]).toEqual(["eu: clocks"]);
  expect(wrong.get("eu: clocks")).toMatch(/^eu-2's clock is 90.5 s ahead of eu-1's; .*: set the clocks$/);
});

it("names a region without an actor, and a server without the mappings", async () => {
  const folder = await mkdtemp(join(tmpdir(), "parl-doctor-"));
  const config = join(folder, "plain.conf");
  await writeFile(config, "");
  const [empty, plain] = await Promise.all([startNatsServer(), startNatsServer({ config })]);
  onTestFinished(async () => {
    await Promise.all([empty.stop(), plain.stop()]);
    await rm(folder, { recursive: true });
  });
  expect([...(await complaints(...at(empty.url))).keys()].join()).toContain("eu");
  expect((await complaints(...at(plain.url))).size).toBeGreaterThan(0);
});

const redisAt = (url: string): string[] => ["--redis", url, "--policies", GOOD_POLICIES];

describe("asked about a Redis", () => {
  it("finds nothing wrong with one that works, looks at no region, and says what a restart forgets", async () => {
    const server = await startRedisServer();
    onTestFinished(() => server.stop());
    const { code, stdout } = await examine(...redisAt(server.url));
    expect(code).toBe(EXIT_OK);
    expect(stdout).toMatch(/ok +redis: server +[78]\.\S+ at 127\.0\.0\.1:\d+\n/);
    expect(stdout).toMatch(
      /ok +redis: saving +nothing is saved: after a restart every key has its whole limit again/,
    );
    expect(stdout).toMatch(/ok +redis: script +answers in/);
    expect(stdout).not.toMatch(/eu: |nats-server/);
    const redis = await connectRedis(server.url);
    expect(await redis.dbsize()).toBe(0);
    await redis.config("SET", "save", "60 1000");
    expect((await examine(...redisAt(server.url))).stdout).toMatch(
      /ok +redis: saving +snapshots \(save 60 1000\)/,
    );
    await redis.config("SET", "appendonly", "yes");
    expect((await examine(...redisAt(server.url))).stdout).toMatch(/ok +redis: saving +an append-only file/);
    redis.disconnect();
  });

  it("names what is wrong: one that evicts, a user who may not run scripts, policies that Redis cannot decide by", async () => {
    const server = await startRedisServer({
      flags: ["--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl"],
    });
    onTestFinished(() => server.stop());
    const folder = await mkdtemp(join(tmpdir(), "parl-doctor-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, "fine.yaml");
    await writeFile(
      file,
      "version: 1\npolicies: [{ name: fine, dimension: key, algorithm: gcra, limit: 101, window: 366d }]",
    );
    const redis = await connectRedis(server.url);
    await redis.call("ACL", "SETUSER", "poor", "on", ">pw", "+info", "+ping", "+hello", "+auth");
    redis.disconnect();
    const wrong = await complaints("--redis", `redis://poor:pw@127.0.0.1:${server.port}`, "--policies", file);
    expect([...wrong.keys()]).toEqual(["redis: state", "redis: script", "redis: policies"]);
    expect(wrong.get("redis: state")).toMatch(/it evicts keys \(maxmemory-policy volatile-ttl/);
    expect(wrong.get("redis: script")).toMatch(/may not run the scripts/);
    expect(wrong.get("redis: policies")).toMatch(/policies\[0\]\.limit is not possible with Redis/);
  });

  it("names a Redis that is not there", async () => {
    const wrong = await complaints(...redisAt("redis://me:secret@127.0.0.1:9"));
    expect([...wrong.keys()]).toEqual(["redis: server"]);
    expect(wrong.get("redis: server")).toMatch(/is a Redis at 127\.0\.0\.1:9\?$/);
  });
});
