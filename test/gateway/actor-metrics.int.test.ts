/**
 * Two actor processes of one region, an organisation's limit over keys decided in both: what they lend each
 * other, as `/metrics` and `parl observe region` tell it, and what becomes of that when one of them hangs.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startActor, type ActorProcess } from "../../actors/main.ts";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { observe } from "../../cli/observe.ts";
import { SHARDS_DEFAULT } from "../../core/key.ts";
import { runHere } from "../cli/command-run.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";
import { DEADLINE_MS, openGateway, type OpenedGateway } from "./opened-gateway.ts";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const PATIENCE_MS = 20_000;
/** For a busy machine. */
const SLACK_MS = 2_000;
const ORG_LIMIT = 5_000;
const KEYS = Array.from({ length: 24 }, (_, i) => `k${i}`);
const CHECKS_PER_KEY = 250;
const CHECKS = KEYS.length * CHECKS_PER_KEY;
/** A window that no test outlives, and no journal, which would bound what is lent. */
const POLICIES = `
version: 1
policies:
  - { name: per-org, dimension: org, algorithm: fixed-window, limit: ${ORG_LIMIT}, window: 366d, onCrash: fresh, onFailure: deny }
`;

let folder: string;
let server: TestNatsServer;
let nats: NatsConnection;
let here: ActorProcess;
let other: ChildProcess;
let gateway: OpenedGateway;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "parl-metrics-"));
  server = await startNatsServer();
  nats = await connect({ servers: server.url });
  here = await startActor({
    region: "eu",
    member: "eu-1",
    servers: [server.url],
    shards: SHARDS_DEFAULT,
    policies: parsePolicyText(POLICIES, "policies.yaml"),
    memoryBytesMax: 64 * 2 ** 20,
    claimAtOnce: true,
  });
  const policies = join(folder, "policies.yaml");
  await writeFile(policies, POLICIES);
  other = spawn(process.execPath, [
    MAIN,
    "actor",
    "--id",
    "eu-2",
    "--nats",
    server.url,
    "--policies",
    policies,
  ]);
  gateway = await openGateway({ name: "eu", servers: [server.url] });
}, 2 * PATIENCE_MS);

afterAll(async () => {
  const gone = once(other, "exit");
  other.kill("SIGKILL");
  await gone;
  await gateway.close();
  await here.drain();
  await nats.close();
  await server.stop();
  await rm(folder, { recursive: true });
});

async function ask(key: string): Promise<boolean> {
  const answer = await nats.request(`parl.check.acme.${key}`, "{}", { timeout: 5_000 });
  const { allowed } = answer.json<{ allowed: boolean }>();
  expect(allowed).toBeTypeOf("boolean");
  return allowed;
}

it("tell of each process which part of the shards it has", { timeout: 2 * PATIENCE_MS }, async () => {
  const share = async (): Promise<unknown> => {
    const seen = await gateway.scrape();
    const shards = ["eu-1", "eu-2"].map((name) => seen("parl_actor_shards", { process: name }) ?? 0);
    return { all: seen("parl_actor_shards"), isEven: Math.max(...shards) <= SHARDS_DEFAULT / 2 + 1 };
  };
  await expect.poll(share, { timeout: PATIENCE_MS }).toEqual({ all: SHARDS_DEFAULT, isEven: true });
  const seen = await gateway.scrape();
  expect(seen("parl_actor_shards_unowned", { region: "eu" })).toBe(0);
  const taken = seen("parl_actor_handoffs_total", { process: "eu-2", end: "taken" });
  expect(seen("parl_actor_handoffs_total", { process: "eu-1", end: "given" })).toBe(taken);
  expect(taken).toBeGreaterThan(0);
});

it("agree with each other and with what callers were told", { timeout: 2 * PATIENCE_MS }, async () => {
  let allowed = 0;
  const spend = async (key: string): Promise<void> => {
    for (let i = 0; i < CHECKS_PER_KEY; i += 1) if (await ask(key)) allowed += 1;
  };
  await Promise.all(KEYS.map(spend));
  const lent = async () => (await gateway.scrape())("parl_actor_units_lent", { region: "eu" });
  // Whatever is not used comes home after a second.
  await expect.poll(lent, { timeout: PATIENCE_MS }).toBe(0);

  const seen = await gateway.scrape();
  const actor = (name: string, labels = {}): number => seen(`parl_actor_${name}`, labels) as number;
  expect(allowed).toBe(ORG_LIMIT);
  expect(actor("decisions_total")).toBe(CHECKS);
  expect(actor("decisions_total", { result: "allowed" })).toBe(allowed);
  for (const name of ["eu-1", "eu-2"]) expect(actor("decisions_total", { process: name })).toBeGreaterThan(0);

  // Decided at once and late are all checks; no other check waited.
  const late = actor("checks_late_total");
  expect(late).toBeGreaterThan(0);
  expect(late).toBe(actor("waits_total"));
  expect(late).toBe(actor("waits_total", { end: "allowed" }) + actor("waits_total", { end: "denied" }));
  expect(actor("checks_waiting")).toBe(0);
  expect(actor("denials_total")).toBe(CHECKS - allowed);

  // Every unit lent is somewhere.
  const granted = actor("units_granted_total");
  const spent = actor("units_spent_total");
  expect(granted).toBeGreaterThanOrEqual(spent);
  expect(spent).toBeGreaterThan(0);
  expect(granted).toBe(spent + actor("units_returned_total") + actor("units_forfeited_total"));
  expect(actor("borrows_total", { kind: "units" })).toBeGreaterThan(0);
  // Asking for units may tell of all that was spent before.
  expect(actor("borrows_total", { kind: "units" })).toBeLessThanOrEqual(actor("borrows_total"));
  expect(actor("owed_units_total")).toBe(0);

  const { stdout } = await runHere(observe, "region", "--json", "--regions", `eu=${server.url}`);
  const { figures } = (JSON.parse(stdout) as { regions: { figures: Record<string, number> }[] })
    .regions[0] as {
    figures: Record<string, number>;
  };
  const borrows = actor("borrows_total", { kind: "units" });
  const doubtful = actor("denials_total") - actor("denials_total", { doubt: "firm" });
  // Most denials came when nothing was lent any more.
  expect(doubtful).toBeLessThan(CHECKS - allowed);
  expect(figures).toEqual({
    checks: CHECKS,
    late,
    borrows,
    denied: CHECKS - allowed,
    doubtful,
    atOnceShare: 1 - late / CHECKS,
    borrowsPer1000: (1_000 * borrows) / CHECKS,
    doubtfulShare: doubtful / (CHECKS - allowed),
  });
});

it(
  "go on of the one process when the other hangs, and no scrape waits for it",
  async () => {
    const before = (await gateway.scrape())("parl_actor_decisions_total", { process: "eu-1" });
    const slowest = { ms: 0 };
    other.kill("SIGSTOP");
    const scraped = async (): Promise<Record<string, unknown>> => {
      const startedMs = performance.now();
      const seen = await gateway.scrape();
      slowest.ms = Math.max(slowest.ms, performance.now() - startedMs);
      expect(seen("parl_gateway_in_flight")).toBe(1);
      return {
        up: seen("parl_actor_up"),
        processes: seen("parl_actor_processes"),
        unowned: seen("parl_actor_shards_unowned"),
        hasRecovered: (seen("parl_actor_shard_openings_total", { how: "recovered" }) ?? 0) > 0,
        here: seen("parl_actor_decisions_total", { process: "eu-1" }),
        other: seen("parl_actor_decisions_total", { process: "eu-2" }),
      };
    };
    await expect
      .poll(scraped, { timeout: PATIENCE_MS })
      .toMatchObject({ up: 1, processes: 1, here: before, other: undefined });
    // Its shards are taken over from it.
    await expect
      .poll(scraped, { timeout: PATIENCE_MS })
      .toMatchObject({ up: 1, unowned: 0, hasRecovered: true });
    expect(slowest.ms).toBeLessThan(DEADLINE_MS + SLACK_MS);
  },
  2 * PATIENCE_MS,
);
