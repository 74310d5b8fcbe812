import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import type { Cluster, Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { micros } from "../../core/units.ts";
import { REDIS_ALGORITHMS } from "../../lua/limiter-params.ts";
import { connectRedis, connectRedisCluster } from "../../lua/redis-connection.ts";
import { RedisLimiter } from "../../lua/redis-limiter.ts";
import type { Ask } from "../../lua/script-protocol.ts";
import { startRedisServer, type TestRedisServer } from "../harness/redis-server.ts";

const NOW_US = micros(1_700_000_000_000_000);
const MASTERS = 3;
const SLOTS = 16_384;

describe("a connection", () => {
  it("to nowhere fails within seconds and names the place, not the password", async () => {
    const free = createServer().listen(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address() as AddressInfo;
    free.close();
    const failure = connectRedis(`redis://user:secret@127.0.0.1:${port}`);
    await expect(failure).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
    await expect(failure).rejects.toThrow(`127.0.0.1:${port}`);
    await expect(failure).rejects.not.toThrow("secret");
    const cluster = connectRedisCluster([{ host: "127.0.0.1", port }]);
    await expect(cluster).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
  });

  it("to a database is to that one or fails, also where there is none of that number", async () => {
    const server = await startRedisServer();
    onTestFinished(() => server.stop());
    const third = await connectRedis(`${server.url}/3`);
    await third.set("here", "1");
    third.disconnect();
    const first = await connectRedis(server.url);
    expect(await first.dbsize()).toBe(0);
    expect(await first.info("keyspace")).toContain("db3:keys=1");
    first.disconnect();
    await expect(connectRedis(`${server.url}/99`)).rejects.toThrow("DB index is out of range");
  });

  it.each([
    "",
    "localhost",
    "http://127.0.0.1:6379",
    "redis://",
    "redis://h/zero",
    "redis://h/-1",
    "redis://h?db=1",
  ])("needs a URL, not %s", async (url) => {
    await expect(connectRedis(url)).rejects.toMatchObject({ code: "PARL_INVALID_ARGUMENT", field: "redis" });
  });

  it("to a Redis that is too old is refused", async () => {
    const old = createServer((socket) => {
      socket.on("data", (bytes) => {
        const words = bytes.toString();
        // Knows no HELLO; tells its version to whoever asks.
        const info = "redis_version:6.2.14\r\nloading:0\r\n";
        for (const command of words.match(/\*\d+\r\n\$\d+\r\n\w+/g) ?? []) {
          if (/info$/i.test(command)) socket.write(`$${info.length}\r\n${info}\r\n`);
          else if (/hello$/i.test(command)) socket.write("-ERR unknown command 'HELLO'\r\n");
          else socket.write("+OK\r\n");
        }
      });
    }).listen(0, "127.0.0.1");
    await once(old, "listening");
    const { port } = old.address() as AddressInfo;
    await expect(connectRedis(`redis://127.0.0.1:${port}`)).rejects.toMatchObject({
      code: "PARL_UNSUPPORTED_VERSION",
      message: expect.stringContaining("6.2.14") as string,
    });
    old.close();
  });

  it("to a Redis that wants a password says so", async () => {
    const server = await startRedisServer({ flags: ["--requirepass", "secret"] });
    onTestFinished(() => server.stop());
    const { port } = server;
    await expect(connectRedis(server.url)).rejects.toMatchObject({ code: "PARL_INTERNAL" });
    const redis = await connectRedis(`redis://:secret@127.0.0.1:${port}`);
    expect(await redis.ping()).toBe("PONG");
    redis.disconnect();
  });

  it("that falls silent is given up and made again", async () => {
    const server = await startRedisServer();
    onTestFinished(() => server.stop());
    const redis = await connectRedis(server.url);
    server.pause();
    const closed = happening(redis, "close");
    await expect(redis.ping()).rejects.toThrow();
    await closed;
    const ready = happening(redis, "ready");
    server.resume();
    await ready;
    expect(await redis.ping()).toBe("PONG");
    redis.disconnect();
  });
});

describe("a Cluster of three masters", () => {
  const servers: TestRedisServer[] = [];
  let cluster: Cluster;

  beforeAll(async () => {
    for (let i = 0; i < MASTERS; i += 1) servers.push(await startRedisServer({ isClusterNode: true }));
    await joinNodes(servers);
    cluster = await connectRedisCluster(servers);
  });

  afterAll(async () => {
    cluster?.disconnect();
    for (const server of servers) await server.stop();
  });

  it.each(REDIS_ALGORITHMS)(
    "decides by %s with one slot a decision, wherever the key lives",
    async (algorithm) => {
      const limiter = new RedisLimiter({
        redis: cluster,
        policy: algorithm,
        params: { algorithm, limit: 10, windowUs: micros(60_000_000) },
        deadlineMs: 10_000,
        ttlMinMs: 600_000,
      });
      await limiter.load();
      const before = await keysPerMaster();
      const keys = Array.from({ length: 60 }, (_, i) => `key ${i}`);
      for (let round = 1; round <= 2; round += 1) {
        const verdicts = await Promise.all(keys.map((key) => limiter.check(key, 6, NOW_US)));
        expect(new Set(verdicts.map(({ outcome }) => outcome))).toEqual(
          new Set([round === 1 ? "allowed" : "denied"]),
        );
      }
      const added = (await keysPerMaster()).map((count, i) => count - (before[i] as number));
      // One key for each, spread over all masters.
      expect(added.reduce((sum, count) => sum + count)).toBe(keys.length);
      expect(Math.min(...added)).toBeGreaterThan(0);
    },
  );

  it("keeps all policies of a key in one slot", async () => {
    const names = (await Promise.all(cluster.nodes("master").map((node) => node.keys("*")))).flat();
    const slots = new Map<string, Set<number>>();
    for (const name of names) {
      const id = /\{(.+?)\}/.exec(name)?.[1] ?? "";
      slots.set(id, (slots.get(id) ?? new Set()).add(await cluster.cluster("KEYSLOT", name)));
    }
    expect(slots.size).toBe(60);
    expect([...slots.values()].every((set) => set.size === 1)).toBe(true);
  });

  it("heals on the master that lost the script", async () => {
    const limiter = new RedisLimiter({
      redis: cluster,
      policy: "healing",
      params: { algorithm: "gcra", limit: 10, windowUs: micros(60_000_000) },
      deadlineMs: 10_000,
    });
    await Promise.all(cluster.nodes("master").map((node) => node.script("FLUSH")));
    for (let i = 0; i < 30; i += 1) {
      expect(await limiter.check(`key ${i}`, 1, NOW_US)).toMatchObject({ outcome: "allowed", remaining: 9 });
    }
  });

  it("refuses a batch over several slots, and decides calls that go to several nodes", async () => {
    const limiter = new RedisLimiter({
      redis: cluster,
      policy: "batch",
      params: { algorithm: "gcra", limit: 10, windowUs: micros(60_000_000) },
      deadlineMs: 10_000,
    });
    await expect(limiter.checkBatch(asksOf("a", "b", "c"))).rejects.toMatchObject({
      code: "PARL_INVALID_ARGUMENT",
    });
    expect(await limiter.checkPipelined(asksOf("a", "b", "c", "b"))).toMatchObject([
      { remaining: 9 },
      { remaining: 9 },
      { remaining: 9 },
      { remaining: 8 },
    ]);
    expect(await limiter.checkBatch(asksOf("a", "a"))).toMatchObject([{ remaining: 8 }, { remaining: 7 }]);
  });

  async function keysPerMaster(): Promise<number[]> {
    return Promise.all(
      servers.map(async ({ url }) => {
        const node = await connectRedis(url);
        const count = await node.dbsize();
        node.disconnect();
        return count;
      }),
    );
  }
});

function asksOf(...keys: string[]): Ask[] {
  return keys.map((key) => ({ key, cost: 1, nowUs: NOW_US }));
}

/** Not `once`, which would take an error event for a failure. */
async function happening(redis: Redis, event: "close" | "ready"): Promise<void> {
  return new Promise((resolve) => redis.once(event, resolve));
}

/** Gives each node its third of the slots, introduces them, and waits until all agree. */
async function joinNodes(servers: readonly TestRedisServer[]): Promise<void> {
  const nodes: Redis[] = [];
  for (const { url } of servers) nodes.push(await connectRedis(url));
  for (const [i, node] of nodes.entries()) {
    const [from, to] = [i, i + 1].map((part) => Math.floor((part * SLOTS) / MASTERS)) as [number, number];
    await node.cluster("ADDSLOTSRANGE", from, to - 1);
    await node.cluster("SET-CONFIG-EPOCH", i + 1);
  }
  for (const node of nodes.slice(1)) {
    await node.call(
      "CLUSTER",
      "MEET",
      servers[0]!.host,
      String(servers[0]!.port),
      String(servers[0]!.busPort),
    );
  }
  for (const node of nodes) {
    while (!(await isWhole(node)));
    node.disconnect();
  }
}

async function isWhole(node: Redis): Promise<boolean> {
  const info = await node.cluster("INFO");
  return /cluster_state:ok/.test(info) && info.includes(`cluster_size:${MASTERS}`);
}
