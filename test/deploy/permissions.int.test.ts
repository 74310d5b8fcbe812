import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect, PermissionViolationError, type NatsConnection, type Status } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { connectNats } from "../../actors/nats-host.ts";
import { connectRegion } from "../../client/connect-region.ts";
import type { ParlError } from "../../core/errors.ts";
import { homeShard, SHARDS_DEFAULT } from "../../core/key.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";

const CONFIG = new URL("../../deploy/nats/permissions.conf", import.meta.url).pathname;
const USERS = ["actor", "gateway", "operator", "acme"] as const;
type User = (typeof USERS)[number];

let server: TestNatsServer;
const connections = new Map<User, NatsConnection>();
/** Subjects of all messages that reached the actor. */
const arrived: string[] = [];

beforeAll(async () => {
  for (const user of USERS) process.env[`PARL_${user.toUpperCase()}_PASSWORD`] = passwordOf(user);
  server = await startNatsServer({ config: CONFIG });
  for (const user of USERS) connections.set(user, await connectAs(user));
  connectionOf("actor").subscribe("parl.>", {
    callback: (_, message) => {
      arrived.push(message.subject);
      // A journal's are answered by the stream.
      if (!message.subject.startsWith("parl.journal.")) message.respond(message.subject);
    },
  });
  await connectionOf("actor").flush();
});

afterAll(async () => {
  await Promise.all([...connections.values()].map((connection) => connection.close()));
  await server.stop();
  for (const user of USERS) delete process.env[`PARL_${user.toUpperCase()}_PASSWORD`];
});

function passwordOf(user: User): string {
  return `secret-of-${user}`;
}

function connectAs(user: User): Promise<NatsConnection> {
  const { url } = server;
  return connect({ servers: url, user, pass: passwordOf(user), inboxPrefix: `_INBOX.${user}` });
}

function connectionOf(user: User): NatsConnection {
  return connections.get(user) as NatsConnection;
}

async function ask(user: User, subject: string): Promise<string> {
  return (await connectionOf(user).request(subject, "", { timeout: 2_000 })).string();
}

/** What the server says of a user's message: "" when it let it pass. Nothing of it may arrive. */
async function violation(user: User, subject: string, act = publish): Promise<string> {
  const connection = await connectAs(user);
  onTestFinished(() => connection.close());
  const statuses = connection.status();
  const before = arrived.length;
  act(connection, subject);
  // The server answers in order: what it has to say stands before the answer to this.
  await connection.flush();
  await connection.close();
  const violations: string[] = [];
  for await (const status of statuses) violations.push(...violationIn(status));
  await connectionOf("actor").flush();
  if (violations.length > 0) expect(arrived.slice(before)).toEqual([]);
  return violations.join();
}

function publish(connection: NatsConnection, subject: string): void {
  connection.publish(subject, "");
}

function subscribe(connection: NatsConnection, subject: string): void {
  connection.subscribe(subject, { callback: () => undefined });
}

function violationIn(status: Status): string[] {
  if (status.type !== "error" || !(status.error instanceof PermissionViolationError)) return [];
  return [`${status.error.operation} ${status.error.subject}`];
}

const home = homeShard("acme", "alice", SHARDS_DEFAULT);
const elsewhere = homeShard("globex", "bob", SHARDS_DEFAULT);

describe("permissions.conf", () => {
  it.each(["acme", "gateway"] as const)("lets %s ask for a tenant, through the mappings", async (user) => {
    const answers = await Promise.all([
      ask(user, "parl.check.acme.alice"),
      ask(user, "parl.report.acme.alice"),
      ask(user, "parl.observe.key.acme.alice"),
      ask(user, "parl.pack.acme.7"),
      // Fits no mapping; it is answered with what is wrong about it.
      ask(user, "parl.check.acme.alice.b"),
    ]);
    expect(answers).toEqual([
      `parl.shard.${home}.check.acme.alice`,
      `parl.shard.${home}.report.acme.alice`,
      `parl.shard.${home}.observe.acme.alice`,
      "parl.shard.7.pack.acme",
      "parl.check.acme.alice.b",
    ]);
  });

  it("lets the gateway ask for any tenant, and the operator look at it", async () => {
    expect(await ask("gateway", "parl.check.globex.bob")).toBe(`parl.shard.${elsewhere}.check.globex.bob`);
    expect(await ask("operator", "parl.observe.key.globex.bob")).toBe(
      `parl.shard.${elsewhere}.observe.globex.bob`,
    );
  });

  it.each([
    "parl.admin.limited",
    "parl.admin.reset.acme.alice",
    "parl.observe.region",
    "parl.observe.shard.3",
  ])("lets the operator call %s", async (subject) => expect(await ask("operator", subject)).toBe(subject));

  it.each([
    ["parl.admin.limited", undefined],
    ["parl.admin.reset.acme.alice", undefined],
    ["parl.check.globex.bob", `parl.shard.${elsewhere}.check.globex.bob`],
    ["parl.report.globex.bob", `parl.shard.${elsewhere}.report.globex.bob`],
    ["parl.observe.key.globex.bob", `parl.shard.${elsewhere}.observe.globex.bob`],
    ["parl.pack.globex.7", "parl.shard.7.pack.globex"],
    ["parl.check.globex.bob.c", undefined],
    ["parl.observe.region", undefined],
    ["parl.observe.policy.per-key", undefined],
    ["parl.shard.3.check.globex.bob", undefined],
    ["parl.shard.3.forget.acme.alice", undefined],
    ["parl.shard.3.hop.check.acme.alice", undefined],
    ["parl.shard.3.borrow", undefined],
    ["parl.member.eu-1.handoff", undefined],
    ["parl.members.limited", undefined],
    ["$KV.PARL_eu.owner.3", undefined],
    ["$JS.API.STREAM.DELETE.KV_PARL_eu", undefined],
    ["_INBOX.gateway.1", undefined],
  ])("does not let a tenant publish on %s", async (subject, mapped = subject) => {
    expect(await violation("acme", subject)).toBe(`publish ${mapped}`);
  });

  it.each([
    ["gateway", "parl.admin.limited"],
    ["gateway", "parl.shard.3.forget.acme.alice"],
    ["gateway", "parl.members.limited"],
    ["operator", "parl.shard.3.forget.acme.alice"],
    ["operator", "parl.shard.3.check.acme.alice"],
    ["actor", "parl.admin.limited"],
    ["actor", "parl.observe.region"],
  ] as const)("does not let %s publish on %s", async (user, subject) => {
    expect(await violation(user, subject)).toBe(`publish ${subject}`);
  });

  it.each([
    ["acme", "_INBOX.>"],
    ["acme", "_INBOX.gateway.>"],
    ["acme", "parl.>"],
    ["acme", "parl.shard.*.check.acme.*"],
    ["gateway", "parl.shard.>"],
    ["operator", "_INBOX.>"],
    ["operator", "parl.admin.>"],
    ["operator", "parl.shard.>"],
    ["actor", "_INBOX.>"],
  ] as const)("does not let %s listen to %s", async (user, subject) => {
    expect(await violation(user, subject, subscribe)).toBe(`subscription ${subject}`);
  });

  it("lets the actor keep leases and journals", async () => {
    const actor = connectionOf("actor");
    const bucket = await new Kvm(actor).create("PARL_eu", { history: 1 });
    const revision = await bucket.create("owner.3", "eu-1");
    expect(await bucket.update("owner.3", "eu-2", revision)).toBe(revision + 1);
    const watch = await bucket.watch();
    for await (const entry of watch) {
      expect(entry.string()).toBe("eu-2");
      break;
    }
    await (
      await jetstreamManager(actor)
    ).streams.add({ name: "PARL_JOURNAL_eu", subjects: ["parl.journal.eu.*"] });
    const js = jetstream(actor);
    expect((await js.publish("parl.journal.eu.3", "states")).seq).toBe(1);
    const consumer = await js.consumers.get("PARL_JOURNAL_eu");
    expect((await consumer.next({ expires: 2_000 }))?.subject).toBe("parl.journal.eu.3");
  });

  it("lets nobody in without a name", async () => {
    await expect(connect({ servers: server.url, maxReconnectAttempts: 0 })).rejects.toThrow(/authorization/i);
  });

  it.each(["", "operator:not-hers@"])("of which PARL's processes say what to do: %j", async (userInfo) => {
    const servers = [`nats://${userInfo}127.0.0.1:${server.port}`];
    const outcomes = await Promise.allSettled([
      connectRegion({ name: "eu", servers }),
      connectNats({ servers, name: "test" }),
    ]);
    for (const outcome of outcomes) {
      const reason = outcome.status === "rejected" ? (outcome.reason as ParlError) : undefined;
      expect(reason).toMatchObject({ code: "PARL_UNAVAILABLE" });
      expect(reason?.message).toMatch(
        / lets nobody in by this name.*; name a user .*nats:\/\/.*:<password>@<host>$/,
      );
      expect(reason?.message).not.toContain("not-hers");
    }
  });
});
