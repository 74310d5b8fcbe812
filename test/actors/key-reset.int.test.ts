import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AuditLog } from "../../actors/audit-log.ts";
import { startActor, type ActorProcess } from "../../actors/main.ts";
import { connectParl, type ParlClient } from "../../client/parl-client.ts";
import { EXIT_FAILED, EXIT_OK } from "../../cli/command.ts";
import { doctor } from "../../cli/doctor.ts";
import { limited } from "../../cli/limited.ts";
import { observe } from "../../cli/observe.ts";
import { reset } from "../../cli/reset.ts";
import { runHere } from "../cli/command-run.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";
import { policiesOf } from "./lone-shard-actor.ts";

const CONFIG = new URL("../../deploy/nats/permissions.conf", import.meta.url).pathname;
const USERS = ["actor", "gateway", "operator", "acme"];

let nats: TestNatsServer;
let actor: ActorProcess;
let acme: ParlClient;
let folder: string;

beforeAll(async () => {
  for (const user of USERS) process.env[`PARL_${user.toUpperCase()}_PASSWORD`] = `secret-of-${user}`;
  nats = await startNatsServer({ config: CONFIG });
  folder = await mkdtemp(join(tmpdir(), "parl-operator-"));
  actor = await startActor({
    region: "eu",
    servers: [as("actor")],
    shards: 64,
    memoryBytesMax: 2 ** 26,
    policies: policiesOf(
      "name: per-key, dimension: key, algorithm: fixed-window, limit: 3, window: 366d",
      "name: per-user, dimension: user, algorithm: fixed-window, limit: 5, window: 366d",
      "name: per-org, dimension: org, algorithm: fixed-window, limit: 100, window: 366d",
    ),
    audit: await AuditLog.open({ path: join(folder, "audit.log") }),
  });
  acme = await connectParl({ regions: [{ name: "eu", servers: [as("acme")] }] });
});

afterAll(async () => {
  await acme.close();
  await actor.drain();
  await nats.stop();
  await rm(folder, { recursive: true });
});

function as(user: string): string {
  return nats.url.replace("//", `//${user}:secret-of-${user}@`);
}

function operator() {
  return ["--regions", `eu=${as("operator")}`];
}

async function ask(key: string, times: number, user?: string) {
  const request = { tenant: "acme", key, ...(user === undefined ? {} : { user }) };
  const results = await Promise.all(Array.from({ length: times }, () => acme.check(request)));
  return results.filter(({ allowed }) => allowed).length;
}

it("finds who is limited, unblocks him and nobody else, and has it in writing", async () => {
  expect(await ask("alice", 10)).toBe(3);
  expect(await ask("bob", 5)).toBe(3);
  const seen = JSON.parse((await runHere(limited, ...operator(), "--json")).stdout);
  expect(seen.regions[0].keys).toMatchObject([
    { tenant: "acme", dimension: "key", key: "alice", policy: "per-key", denied: 7, errorMax: 0 },
    { key: "bob", denied: 2 },
  ]);
  const done = await runHere(reset, "alice", "--tenant", "acme", ...operator(), "--by", "anna", "--json");
  expect(JSON.parse(done.stdout).regions[0]).toMatchObject({
    resets: [
      { policy: "per-key", before: { remaining: 0 }, after: { limit: 3, remaining: 3, retryAfterMs: 0 } },
    ],
    kept: ["per-org"],
  });
  expect(await ask("bob", 1)).toBe(0);
  expect(await ask("alice", 5)).toBe(3);
  const { stdout } = await runHere(observe, "key", "alice", "--tenant", "acme", ...operator(), "--json");
  expect(JSON.parse(stdout).regions[0].policies).toMatchObject([
    { policy: "per-key", remaining: 0 },
    { policy: "per-org", remaining: 91 },
  ]);
  const lines = (await readFile(join(folder, "audit.log"), "utf8")).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { phase: "asked", what: "limited" },
    { phase: "ended", what: "limited" },
    { phase: "asked", what: "reset", claimedBy: "anna" },
    { phase: "ended", what: "reset", outcome: "done" },
  ]);
  const region = JSON.parse((await runHere(observe, "region", ...operator(), "--json")).stdout).regions[0];
  expect(region.tallies.operators).toEqual({ done: 2, refused: 0, linesWritten: 4, linesLost: 0 });
});

it("resets key and user at their homes, and an organisation by name", async () => {
  expect(await ask("carol", 4, "u1")).toBe(3);
  expect(await ask("dora", 4, "u1")).toBe(2);
  const argv = ["carol", "--tenant", "acme", ...operator()];
  expect(await runHere(reset, ...argv, "--user", "u1")).toMatchObject({ code: EXIT_OK });
  expect(await ask("carol", 4, "u1")).toBe(3);
  const { stdout } = await runHere(reset, ...argv, "--policy", "per-org", "--json");
  expect(JSON.parse(stdout).regions[0]).toMatchObject({
    resets: [{ policy: "per-org", after: { remaining: 100 } }],
  });
});

it("lets no tenant do it, and lets the operator examine", async () => {
  const argv = ["alice", "--tenant", "acme", "--regions", `eu=${as("acme")}`];
  const refused = await runHere(reset, ...argv);
  expect(refused.code).toBe(EXIT_FAILED);
  expect(refused.stderr).toMatch(
    /^parl reset: eu: its NATS server does not let this user ask on parl\.admin\./,
  );
  expect((await runHere(doctor, ...operator())).stdout).not.toMatch(/WRONG +eu/);
});
