import { afterEach, describe, expect, it } from "vitest";
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { LeaseStore, type LeaseEvent } from "../../../actors/placement/lease-store.ts";
import { connectNats } from "../../../actors/nats-host.ts";
import { startNatsServer, type TestNatsServer } from "../../harness/nats-server.ts";

const LOOK_EVERY_MS = 50;

interface Watcher {
  readonly store: LeaseStore;
  readonly connection: NatsConnection;
  readonly events: LeaseEvent[];
  readonly troubles: unknown[];
}

const servers: TestNatsServer[] = [];
const watchers: Watcher[] = [];

async function server(port?: number): Promise<TestNatsServer> {
  const started = await startNatsServer(port === undefined ? {} : { port });
  servers.push(started);
  return started;
}

interface WatcherOptions {
  readonly throws?: boolean;
  readonly wallUs?: () => number;
  readonly epochWritten?: () => Promise<number>;
}

async function watcher(nats: TestNatsServer, options: WatcherOptions = {}): Promise<Watcher> {
  const { throws = false, wallUs = () => Date.now() * 1_000, epochWritten } = options;
  const connection = await connectNats({ servers: [nats.url], name: "lease-store test" });
  const troubles: unknown[] = [];
  const store = new LeaseStore({
    connection,
    region: "eu",
    wallUs,
    ...(epochWritten === undefined ? {} : { epochWritten }),
    lookEveryMs: LOOK_EVERY_MS,
    timeoutMs: 300,
    onTrouble: (error) => void troubles.push(error),
  });
  const events: LeaseEvent[] = [];
  store.watch((event) => {
    events.push(event);
    if (throws) throw new Error("a listener's bug");
  });
  const one = { store, connection, events, troubles };
  watchers.push(one);
  await expect.poll(() => events.some(({ kind }) => kind === "synced"), { timeout: 5_000 }).toBe(true);
  return one;
}

/** The last value and revision of a key, as shown by the watch since the last lost bucket. */
function shown(
  { events }: Watcher,
  key: string,
): { value: string | undefined; revision: number } | undefined {
  const since = events.findLastIndex(({ kind }) => kind === "bucket-lost");
  const entry = events.slice(since + 1).findLast((event) => event.kind === "entry" && event.key === key);
  return entry?.kind === "entry" ? { value: entry.value, revision: entry.revision } : undefined;
}

afterEach(async () => {
  for (const { store, connection } of watchers.splice(0)) {
    store.unwatch();
    await connection.close();
  }
  for (const nats of servers.splice(0)) {
    nats.resume();
    await nats.stop().catch(() => undefined);
  }
});

describe("LeaseStore", () => {
  it("lets one of six writers win, and tells the others conflict", async () => {
    const nats = await server();
    const six = await Promise.all(Array.from({ length: 6 }, () => watcher(nats)));
    let revision = 0;
    for (let round = 0; round < 20; round += 1) {
      const results = await Promise.all(
        six.map(({ store }, writer) => store.cas("owner.7", `${round} ${writer}`, revision)),
      );
      const winners = results.filter(({ outcome }) => outcome === "ok");
      expect(winners).toHaveLength(1);
      expect(results.filter(({ outcome }) => outcome === "conflict")).toHaveLength(5);
      expect(winners[0]?.revision).toBeGreaterThan(revision);
      revision = winners[0]?.revision ?? 0;
    }
    for (const one of six) await expect.poll(() => shown(one, "owner.7")?.revision).toBe(revision);
  });

  it("creates with 0 only what is not there, and updates only what is as expected", async () => {
    const nats = await server();
    const one = await watcher(nats);
    const storing = one.store.cas("cluster", "a", 0);
    expect(one.store.isWriting).toBe(true);
    const first = await storing;
    expect(one.store.isWriting).toBe(false);
    expect(first.outcome).toBe("ok");
    expect(await one.store.cas("cluster", "b", 0)).toEqual({ outcome: "conflict", revision: 0 });
    expect(await one.store.cas("member.x", "b", first.revision)).toEqual({
      outcome: "conflict",
      revision: 0,
    });
    const manager = await jetstreamManager(one.connection);
    expect(await manager.streams.purge("KV_PARL_eu", { filter: "$KV.PARL_eu.cluster" })).toMatchObject({
      success: true,
    });
    expect(await one.store.cas("cluster", "c", first.revision)).toMatchObject({ outcome: "conflict" });
    expect(await one.store.cas("cluster", "c", 0)).toMatchObject({ outcome: "ok" });
  });

  it("shows a late watcher what there is, then says synced, then what changes", async () => {
    const nats = await server();
    const one = await watcher(nats);
    const { revision } = await one.store.cas("owner.1", "first", 0);
    await one.store.cas("owner.2", "second", 0);
    const late = await watcher(nats);
    expect(late.events.map(({ kind }) => kind)).toEqual(["entry", "entry", "synced"]);
    const changed = await one.store.cas("owner.1", "third", revision);
    await expect.poll(() => shown(late, "owner.1")).toEqual({ value: "third", revision: changed.revision });
  });

  it("reports the bucket lost when its server comes back without it, and makes a new one", async () => {
    const nats = await server();
    const [one, other] = await Promise.all([watcher(nats), watcher(nats)]);
    const { revision } = await one.store.cas("owner.1", "before", 0);
    await expect.poll(() => shown(other, "owner.1")?.revision).toBe(revision);
    await nats.kill();
    await expect.poll(async () => (await one.store.cas("owner.1", "x", revision)).outcome).toBe("unknown");
    await server(nats.port);
    for (const { events } of [one, other]) {
      await expect
        .poll(() => events.slice(-2).map(({ kind }) => kind), { timeout: 10_000 })
        .toEqual(["bucket-lost", "synced"]);
    }
    expect(shown(one, "owner.1")).toBeUndefined();
    // A compare-and-set meant for the lost bucket does not fit, and revisions go on ascending.
    expect(await one.store.cas("owner.1", "stale", revision)).toEqual({ outcome: "conflict", revision: 0 });
    const again = await other.store.cas("owner.1", "after", 0);
    expect(again.outcome).toBe("ok");
    expect(again.revision).toBeGreaterThan(revision);
    await expect.poll(() => shown(one, "owner.1")).toEqual({ value: "after", revision: again.revision });
  });

  it("begins a bucket above every epoch written before, whatever the clock says by now", async () => {
    const latest = (Date.now() + 10 * 86_400_000) * 1_000;
    let asked = 0;
    const epochWritten = async (): Promise<number> => {
      asked += 1;
      if (asked === 1) throw new Error("the journal does not answer");
      return latest;
    };
    const one = await watcher(await server(), { epochWritten });
    expect([asked, one.troubles.length]).toEqual([2, 1]);
    expect((await one.store.cas("owner.1", "x", 0)).revision).toBeGreaterThan(latest);
  });

  it("begins one well above the last that it saw, although the clock went back and nothing else is known", async () => {
    const nats = await server();
    let wallUs = Date.now() * 1_000;
    let isKnown = true;
    const epochWritten = (): Promise<number> =>
      isKnown ? Promise.resolve(0) : Promise.reject(new Error("the journal does not answer"));
    const one = await watcher(nats, { wallUs: () => wallUs, epochWritten });
    const { revision } = await one.store.cas("owner.1", "before", 0);
    wallUs -= 86_400_000_000;
    isKnown = false;
    const manager = await jetstreamManager(one.connection);
    await manager.streams.delete(`KV_${one.store.bucketName}`);
    await expect.poll(() => one.events.at(-1)?.kind === "synced" && one.events.length > 2).toBe(true);
    const again = await one.store.cas("owner.1", "after", 0);
    // Others may have written what it did not see any more.
    expect(again.revision).toBeGreaterThanOrEqual(revision + 1_000_000);
  });

  it("notices a bucket deleted under it, without a disconnect", async () => {
    const nats = await server();
    const one = await watcher(nats);
    const { revision } = await one.store.cas("owner.1", "before", 0);
    const manager = await jetstreamManager(one.connection);
    await manager.streams.delete("KV_PARL_eu");
    await expect.poll(() => one.events.at(-1)?.kind, { timeout: 5_000 }).toBe("synced");
    expect(one.events.map(({ kind }) => kind)).toContain("bucket-lost");
    expect((await one.store.cas("owner.1", "after", 0)).revision).toBeGreaterThan(revision);
  });

  it("answers unknown when the server is frozen, in time, and goes on in the same bucket after", async () => {
    const nats = await server();
    const one = await watcher(nats);
    const { revision } = await one.store.cas("owner.1", "before", 0);
    nats.pause();
    const startedMs = performance.now();
    expect(await one.store.cas("owner.1", "during", revision)).toEqual({ outcome: "unknown", revision: 0 });
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    nats.resume();
    // Stored after all: what was unknown shows in the watch.
    await expect.poll(() => shown(one, "owner.1")?.value, { timeout: 5_000 }).toBe("during");
    expect(await one.store.cas("owner.1", "again", revision)).toMatchObject({ outcome: "conflict" });
    expect(one.events.map(({ kind }) => kind)).not.toContain("bucket-lost");
  });

  it("refuses a bucket whose revisions start at 1", async () => {
    const nats = await server();
    const connection = await connectNats({ servers: [nats.url], name: "somebody else" });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: "KV_PARL_eu", subjects: ["$KV.PARL_eu.>"], max_msgs_per_subject: 1 });
    const troubles: unknown[] = [];
    const store = new LeaseStore({
      connection,
      region: "eu",
      wallUs: () => Date.now() * 1_000,
      onTrouble: (error) => void troubles.push(error),
    });
    const events: LeaseEvent[] = [];
    watchers.push({ store, connection, events, troubles });
    store.watch((event) => void events.push(event));
    await expect.poll(() => troubles[0]).toMatchObject({ code: "PARL_UNAVAILABLE", field: "bucket" });
    expect(await store.cas("cluster", "x", 0)).toEqual({ outcome: "unknown", revision: 0 });
    expect(events).toEqual([]);
  });

  it("hands on what a listener throws, and keeps watching", async () => {
    const nats = await server();
    const one = await watcher(nats, { throws: true });
    await one.store.cas("owner.1", "a", 0);
    await expect.poll(() => one.events.length).toBe(2);
    expect(one.troubles).toHaveLength(2);
  });

  it("tells nothing and stores nothing after unwatch, and never rejects", async () => {
    const nats = await server();
    const [one, other] = await Promise.all([watcher(nats), watcher(nats)]);
    one.store.unwatch();
    expect(await one.store.cas("owner.1", "a", 0)).toEqual({ outcome: "unknown", revision: 0 });
    const before = one.events.length;
    expect(await other.store.cas("owner.1", "b", 0)).toMatchObject({ outcome: "ok" });
    await expect.poll(() => shown(other, "owner.1")?.value).toBe("b");
    expect(one.events).toHaveLength(before);
    await other.connection.close();
    expect(await other.store.cas("owner.1", "c", 0)).toMatchObject({ outcome: "unknown" });
  });
});
