/** A NATS server that announces its end, and what becomes of the actor process on it. */
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startActor, type ActorProcess } from "../../actors/main.ts";
import { parsePolicyText } from "../../actors/policy-text.ts";
import type { RegionObservation } from "../../actors/region-census.ts";
import { hasNobodyHeard } from "../../actors/roll-call.ts";
import { SHARDS_DEFAULT } from "../../core/key.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";

const GRACE = 'lame_duck_duration: "30s"\nlame_duck_grace_period: ';
/** Enough of the limit that some answers wait for the journal. */
const TOKENS = 20;
const NOBODY = "nobody was there";
const LOST = "TimeoutError";
/** Charged, and said so too late to be sure of it (held-answers.ts). */
const UNCONFIRMED = "PARL_DEADLINE_EXCEEDED";
const PATIENCE_MS = 20_000;
const LIMIT = 10_000;
const POLICIES = `version: 1
policies:
  - { name: daily, dimension: key, algorithm: fixed-window, limit: ${LIMIT}, window: 366d }
`;
const KEYS = Array.from({ length: 64 }, (_, i) => `k${i}`);

let ends: (() => Promise<unknown>)[];

beforeEach(() => {
  ends = [];
});

afterEach(async () => {
  for (const end of ends.toReversed()) await end().catch(() => undefined);
});

async function serverOf(options: Parameters<typeof startNatsServer>[0]): Promise<TestNatsServer> {
  const server = await startNatsServer(options);
  ends.push(() => server.stop());
  return server;
}

async function clientOf({ url }: TestNatsServer): Promise<NatsConnection> {
  const nats = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  ends.push(() => nats.close());
  return nats;
}

async function actorAt(server: string, replicas: number): Promise<{ actor: ActorProcess; said: string[] }> {
  const said: string[] = [];
  const actor = await startActor({
    region: "eu",
    member: "eu-1",
    servers: [server],
    shards: SHARDS_DEFAULT,
    policies: parsePolicyText(POLICIES, "policies.yaml"),
    memoryBytesMax: 64 * 2 ** 20,
    claimAtOnce: true,
    replicas,
    say: (words) => said.push(words),
  });
  ends.push(() => actor.drain());
  return { actor, said };
}

async function epochs(nats: NatsConnection): Promise<number[]> {
  const census = (
    await nats.request("parl.observe.region", "", { timeout: 5_000 })
  ).json<RegionObservation>();
  return census.members.flatMap(({ owned }) => owned.map(({ epoch }) => epoch));
}

async function freePorts(count: number): Promise<number[]> {
  const listeners = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(listeners.map((listener) => once(listener, "listening")));
  const ports = listeners.map((listener) => (listener.address() as AddressInfo).port);
  await Promise.all(listeners.map((listener) => once(listener.close(), "close")));
  return ports;
}

/** Three servers that keep everything three times. */
async function cluster(): Promise<TestNatsServer[]> {
  const ports = await freePorts(3);
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`).join(", ");
  const starts = ports.map((port, i) => {
    const name = `server_name: n${i}\n${GRACE}"8s"`;
    const more = `${name}\ncluster { name: eu, listen: "127.0.0.1:${port}", routes: [${routes}] }`;
    return serverOf({ more });
  });
  return Promise.all(starts);
}

/** Checks of one key after the other: how they ended, one by one. */
class Traffic {
  readonly outcomes = new Map<string, number>();
  /** Checks that were charged, by key. */
  readonly charged = new Map<string, number>();
  #isOver = false;
  readonly #loops: Promise<void>[];

  constructor(nats: NatsConnection) {
    this.#loops = KEYS.map((key) => this.#ask(nats, key));
  }

  count(outcome: string): number {
    return this.outcomes.get(outcome) ?? 0;
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
  }

  async #ask(nats: NatsConnection, key: string): Promise<void> {
    while (!this.#isOver) {
      const question = JSON.stringify({ tokens: TOKENS });
      const asked = nats.request(`parl.check.acme.${key}`, question, { timeout: 3_000 });
      const outcome = await asked.then(
        (answer) => {
          const said = answer.json<{ allowed?: boolean; error?: { code: string } }>();
          return said.error?.code ?? "decided";
        },
        (error: unknown) => (hasNobodyHeard(error) ? NOBODY : (error as Error).name),
      );
      this.outcomes.set(outcome, this.count(outcome) + 1);
      const isCharged = outcome === "decided" || outcome === UNCONFIRMED;
      if (isCharged) this.charged.set(key, (this.charged.get(key) ?? 0) + 1);
    }
  }
}

describe("an actor process whose server is about to end", { timeout: 60_000 }, () => {
  it("goes to another one: nothing accepted is lost, and its lease goes on", async () => {
    const [first, second] = (await cluster()) as [TestNatsServer, TestNatsServer];
    const nats = await clientOf(second);
    const { said } = await actorAt(first.url, 3);
    const before = await epochs(nats);
    expect(before).toHaveLength(SHARDS_DEFAULT);
    const traffic = new Traffic(nats);
    await expect.poll(() => traffic.count("decided"), { timeout: PATIENCE_MS }).toBeGreaterThan(500);
    first.lameDuck();
    await expect.poll(() => said.at(-1), { timeout: PATIENCE_MS }).toMatch(/^connected to/);
    const decided = traffic.count("decided");
    await expect
      .poll(() => traffic.count("decided"), { timeout: PATIENCE_MS })
      .toBeGreaterThan(decided + 500);
    await traffic.end();
    // Whoever asked in the moment between was told at once, or his message met nobody on its way between two
    // servers, or he heard that it was charged and the journal, between two servers as well, did not confirm it in
    // time. What was decided was told.
    const troubles = [NOBODY, LOST, UNCONFIRMED];
    const others = [...traffic.outcomes.keys()].filter((outcome) => !troubles.includes(outcome));
    expect(others).toEqual(["decided"]);
    expect(traffic.count(LOST)).toBeLessThanOrEqual(KEYS.length);
    for (const key of KEYS) {
      const answer = await nats.request(`parl.check.acme.${key}`, '{"tokens":0}', { timeout: 3_000 });
      const charged = LIMIT - answer.json<{ remaining: number }>().remaining;
      expect([key, charged]).toEqual([key, TOKENS * (traffic.charged.get(key) ?? 0)]);
    }
    expect(said.filter((words) => words.includes("lame duck"))).toHaveLength(1);
    expect(await epochs(nats)).toEqual(before);
  });

  it("stays when it knows no other, and goes on when the server is back", async () => {
    // Longer than the lease: its JetStream ends at once.
    const server = await serverOf({ more: `${GRACE}"3s"` });
    const { said } = await actorAt(server.url, 1);
    const nats = await clientOf(server);
    await nats.request("parl.check.acme.alice", '{"tokens":7}');
    server.lameDuck();
    await server.gone;
    expect(said.filter((words) => words.includes("lame duck"))).toEqual([
      `the NATS server at 127.0.0.1:${server.port} is about to end (lame duck mode) and no other is known; this process stays until then and goes on when it is back`,
    ]);
    await serverOf({ port: server.port, store: server.store });
    const left = async (): Promise<unknown> => {
      const asked = nats.request("parl.check.acme.alice", '{"tokens":0}', { timeout: 500 });
      return asked.then(
        (answer) => answer.json<{ remaining: number }>().remaining,
        () => undefined,
      );
    };
    await expect.poll(left, { timeout: PATIENCE_MS }).toBeDefined();
    // As after a crash: less u, of which what was not journalled is a part.
    expect(await left()).toBe(LIMIT - LIMIT / 20);
  });
});
