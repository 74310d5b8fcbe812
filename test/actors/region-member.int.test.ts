/** Several actor processes of one region over a real nats-server: who owns what, and what a caller sees of it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { forgetSubject } from "../../actors/key-reset.ts";
import { startActor, type ActorProcess } from "../../actors/main.ts";
import { LeaseStore } from "../../actors/placement/lease-store.ts";
import { parsePolicyText } from "../../actors/policy-text.ts";
import type { RegionObservation } from "../../actors/region-census.ts";
import { homeShard, SHARDS_DEFAULT } from "../../core/key.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { takeoverUnits } from "../../admission/durability.ts";
import { foreignRecord } from "./journal/record-samples.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
/** Where a lease is to run out. Elsewhere a busy machine must not let one. */
const LEASE_MS = 400;
const PATIENCE_MS = 20_000;
const ANSWER_WITHIN_MS = 5_000;
const LIMIT = 30;
const ORG_LIMIT = 300;
/** Windows that no test outlives. */
const POLICIES = `
version: 1
policies:
  - { name: daily, dimension: key, algorithm: fixed-window, limit: ${LIMIT}, window: 366d, match: { tenant: acme } }
  - { name: org, dimension: org, algorithm: gcra, limit: ${ORG_LIMIT}, window: 366d, match: { tenant: globex } }
`;
const DAY_US = micros(24 * 3_600 * US_PER_S);
const FIRST = { claimAtOnce: true };
const KEYS = Array.from({ length: 24 }, (_, i) => `k${i}`);

let server: TestNatsServer;
let nats: NatsConnection;
let ends: (() => Promise<unknown>)[];

beforeEach(async () => {
  ends = [];
  server = await startNatsServer();
  nats = await connect({ servers: server.url });
});

afterEach(async () => {
  await Promise.allSettled(ends.toReversed().map((end) => end()));
  await nats.close();
  await server.stop();
});

interface StartOptions {
  readonly claimAtOnce?: boolean;
  readonly leaseTtlMs?: number;
}

async function start(member: string, options: StartOptions = {}): Promise<ActorProcess> {
  const actor = await startActor({
    region: "eu",
    member,
    servers: [server.url],
    shards: SHARDS_DEFAULT,
    policies: parsePolicyText(POLICIES, "policies.yaml"),
    memoryBytesMax: 64 * 2 ** 20,
    ...options,
  });
  ends.push(() => actor.drain());
  return actor;
}

async function census(): Promise<RegionObservation> {
  return (await nats.request("parl.observe.region", "", { timeout: ANSWER_WITHIN_MS })).json();
}

/** Shards by member, once every shard has an owner among just these members and none has too many. */
async function balanced(...members: string[]): Promise<Record<string, number>> {
  const most = Math.ceil(SHARDS_DEFAULT / members.length) + 1;
  let owned: Record<string, number> = {};
  const look = async (): Promise<unknown> => {
    const seen = await census().catch(() => undefined);
    owned = Object.fromEntries(
      seen?.members.map(({ member, owned: shards }) => [member, shards.length]) ?? [],
    );
    return {
      members: Object.keys(owned),
      unowned: seen?.unowned,
      isEven: Math.max(...Object.values(owned)) <= most,
    };
  };
  const wish = { members: members.toSorted(), unowned: 0, isEven: true };
  await expect.poll(look, { timeout: PATIENCE_MS }).toEqual(wish);
  return owned;
}

async function ask(tenant: string, key: string, tokens = 1): Promise<Record<string, unknown>> {
  const question = JSON.stringify({ tokens });
  return (await nats.request(`parl.check.${tenant}.${key}`, question, { timeout: ANSWER_WITHIN_MS })).json();
}

/** Resets a key at its home, as an operator's desk does. */
async function reset(key: string): Promise<Record<string, unknown>> {
  const subject = forgetSubject(homeShard("acme", key, SHARDS_DEFAULT), "acme", key);
  const question = JSON.stringify({ user: "", policies: ["daily"] });
  return (await nats.request(subject, question, { timeout: ANSWER_WITHIN_MS })).json();
}

/** One check after the other on every key. */
class Traffic {
  readonly allowed = new Map<string, number>();
  /** Charged and not answered in time, because the journal was slow to confirm it. */
  slow = 0;
  denied = 0;
  readonly failed: unknown[] = [];
  #isOver = false;
  readonly #loops: Promise<void>[];

  constructor(tenant: string, keys: readonly string[]) {
    this.#loops = keys.map((key) => this.#spend(tenant, key));
    ends.push(() => this.end());
  }

  /** Units charged, as far as one was told. */
  get total(): number {
    return [...this.allowed.values()].reduce((sum, count) => sum + count, this.slow);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
  }

  async #spend(tenant: string, key: string): Promise<void> {
    while (!this.#isOver) {
      const answer: Record<string, unknown> = await ask(tenant, key).catch((error: unknown) => ({
        error: String(error),
      }));
      const isSlow = JSON.stringify(answer["error"] ?? "").includes("the check was charged");
      if (isSlow) this.slow += 1;
      else if (answer["allowed"] === true) this.allowed.set(key, (this.allowed.get(key) ?? 0) + 1);
      else if ("error" in answer) this.failed.push(String(answer["error"]));
      else this.denied += 1;
    }
  }
}

/** All of every key's units and not one more. */
function expectExact(traffic: Traffic): void {
  expect(traffic.failed).toEqual([]);
  expect(Math.max(...traffic.allowed.values())).toBe(LIMIT);
  expect(traffic.total).toBe(KEYS.length * LIMIT);
}

describe("the members of a region", { timeout: 60_000 }, () => {
  it("share the shards evenly, and no check is lost or charged twice meanwhile", async () => {
    await start("eu-1", FIRST);
    const traffic = new Traffic("acme", KEYS);
    await expect.poll(() => traffic.total, { timeout: PATIENCE_MS }).toBeGreaterThan(20);
    await Promise.all([start("eu-2"), start("eu-3")]);
    await balanced("eu-1", "eu-2", "eu-3");
    const { denied } = traffic;
    await expect.poll(() => traffic.denied, { timeout: PATIENCE_MS }).toBeGreaterThan(denied + 200);
    await traffic.end();
    expectExact(traffic);
  });

  it("hand everything over when they leave, and no call fails", async () => {
    const [leaving] = await Promise.all([start("eu-1", FIRST), start("eu-2", FIRST)]);
    await balanced("eu-1", "eu-2");
    const traffic = new Traffic("acme", KEYS);
    await expect.poll(() => traffic.total, { timeout: PATIENCE_MS }).toBeGreaterThan(20);
    await leaving.drain();
    await balanced("eu-2");
    const { denied } = traffic;
    await expect.poll(() => traffic.denied, { timeout: PATIENCE_MS }).toBeGreaterThan(denied + 200);
    await traffic.end();
    expectExact(traffic);
  });

  it("together admit an organisation's limit, to the last unit", async () => {
    await Promise.all([start("eu-1", FIRST), start("eu-2", FIRST)]);
    await balanced("eu-1", "eu-2");
    const traffic = new Traffic("globex", KEYS);
    await expect.poll(() => traffic.total, { timeout: PATIENCE_MS }).toBeGreaterThanOrEqual(ORG_LIMIT);
    const { denied } = traffic;
    await expect.poll(() => traffic.denied, { timeout: PATIENCE_MS }).toBeGreaterThan(denied + 100);
    await traffic.end();
    expect([traffic.failed, traffic.total]).toEqual([[], ORG_LIMIT]);
  });

  it("leave cleanly as the last one, and whoever comes next goes on where they stopped", async () => {
    const first = await start("eu-1", FIRST);
    for (const [i, key] of KEYS.entries()) expect(await ask("acme", key, i)).toMatchObject({ allowed: true });
    await first.drain();
    await start("eu-2");
    await balanced("eu-2");
    for (const [i, key] of KEYS.entries()) {
      expect([key, (await ask("acme", key, 0))["remaining"]]).toEqual([key, LIMIT - i]);
    }
  });

  it("forget nothing when the clock of whoever made the lease bucket was ahead, and the next one's is not", async () => {
    const ahead = new LeaseStore({
      connection: nats,
      region: "eu",
      wallUs: () => Date.now() * 1_000 + 10 * DAY_US,
    });
    await new Promise<void>((resolve) => ahead.watch(({ kind }) => kind === "synced" && resolve()));
    ahead.unwatch();
    const first = await start("eu-1", FIRST);
    for (const key of KEYS) await ask("acme", key, 10);
    await first.drain();
    // As a restart of the server does; the journal stays.
    await (await jetstreamManager(nats)).streams.delete("KV_PARL_eu");
    const second = await start("eu-2", FIRST);
    for (const key of KEYS) await ask("acme", key, 10);
    await second.drain();
    await start("eu-3", FIRST);
    for (const key of KEYS)
      expect([key, (await ask("acme", key, 0))["remaining"]]).toEqual([key, LIMIT - 20]);
  });

  it("leave a journal of another version as it is, decide the other shards, and start it exhausted once it is removed", async () => {
    const first = await start("eu-1", FIRST);
    for (const key of KEYS) await ask("acme", key, 10);
    await first.drain();
    const [key = "", ...others] = KEYS;
    const subject = `parl.journal.eu.${homeShard("acme", key, SHARDS_DEFAULT)}`;
    const manager = await jetstreamManager(nats);
    const { seq } = await jetstream(nats).publish(subject, foreignRecord());
    const second = await start("eu-2", FIRST);
    await second.drain();
    // What could not be opened is not in the way of leaving, nor of who comes next.
    await start("eu-3");
    expect((await ask("acme", others.at(-1) as string, 0))["remaining"]).toBe(LIMIT - 10);
    await expect(ask("acme", key, 0)).rejects.toThrow();
    const last = await manager.streams.getMessage("PARL_JOURNAL_eu", { last_by_subj: subject });
    expect(last?.seq).toBe(seq);
    await manager.streams.purge("PARL_JOURNAL_eu", { filter: subject });
    const answer = (): Promise<unknown> => ask("acme", key).catch(() => undefined);
    await expect.poll(answer, { timeout: PATIENCE_MS }).toMatchObject({ allowed: false, remaining: 0 });
  });

  it("take over from one that is killed, and what was exhausted stays so", async () => {
    const folder = await mkdtemp(join(tmpdir(), "parl-member-"));
    const policies = join(folder, "policies.yaml");
    await writeFile(policies, POLICIES);
    const words = ["actor", "--nats", server.url, "--id", "eu-1", "--lease-ms", String(LEASE_MS)];
    const child = spawn(process.execPath, [MAIN, ...words, "--policies", policies, "--claim-at-once"]);
    const gone = once(child, "exit");
    ends.push(async () => {
      child.kill("SIGKILL");
      await gone;
      await rm(folder, { recursive: true });
    });
    await start("eu-2", { leaseTtlMs: LEASE_MS });
    await balanced("eu-1", "eu-2");
    for (const key of KEYS) expect(await ask("acme", key, LIMIT)).toMatchObject({ allowed: true });
    const resetKeys = KEYS.slice(0, 12);
    const resets = await Promise.all(resetKeys.map((key) => reset(key)));
    for (const each of resets) expect(each).toMatchObject({ resets: [{ after: { remaining: LIMIT } }] });
    const killedUs = Date.now() * 1_000;
    child.kill("SIGKILL");
    await gone;
    await balanced("eu-2");
    const [survivor] = (await census()).members;
    const lastUs = Math.max(...(survivor?.owned.map(({ sinceUs }) => sinceUs) ?? []));
    expect((lastUs - killedUs) / 1_000).toBeLessThan(LEASE_MS + 1_500);
    const answers = await Promise.all(KEYS.slice(12).map((key) => ask("acme", key)));
    expect(answers.map(({ allowed }) => allowed)).toEqual(answers.map(() => false));
    const u = takeoverUnits(
      { algorithm: "fixed-window", limit: LIMIT, windowUs: DAY_US, dimension: "key" },
      1,
    );
    for (const key of resetKeys) {
      const left = (await ask("acme", key, 0))["remaining"] as number;
      // Those of the one that went on were lost by nobody.
      expect([LIMIT, LIMIT - u]).toContain(left);
    }
  });

  it("reset keys while their shards move, and none is brought back", async () => {
    await start("eu-1", FIRST);
    for (const key of KEYS) await ask("acme", key, LIMIT);
    let isOver = false;
    const failed: string[] = [];
    const resets = KEYS.map(async (key) => {
      for (let count = 1; ; count += 1) {
        const text = JSON.stringify(await reset(key).catch(String));
        const isReset = text.includes('"resets":');
        if (!isReset && !text.includes("did not confirm it in time")) failed.push(text);
        if (isOver && isReset) return count;
        await ask("acme", key, LIMIT).catch((error: unknown) => failed.push(String(error)));
      }
    });
    ends.push(() => Promise.allSettled(resets));
    await start("eu-2");
    await balanced("eu-1", "eu-2");
    isOver = true;
    expect(Math.min(...(await Promise.all(resets)))).toBeGreaterThan(1);
    expect(failed).toEqual([]);
    for (const key of KEYS) expect([key, (await ask("acme", key, 0))["remaining"]]).toEqual([key, LIMIT]);
  });

  it("refuse a second one of the same name", async () => {
    await start("eu-1", { leaseTtlMs: LEASE_MS, ...FIRST });
    await expect(start("eu-1", { leaseTtlMs: LEASE_MS })).rejects.toMatchObject({
      code: "PARL_INVALID_ARGUMENT",
      field: "id",
    });
    await balanced("eu-1");
    expect(await ask("acme", "alice")).toMatchObject({ allowed: true });
  });
});
