import type { Redis } from "ioredis";
import { setImmediate } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { PUBLISHED, type AskUnit, type PublishedName } from "../../../bench/lab/published-limiters.ts";
import { RedisNodes } from "../../../bench/redis-nodes.ts";
import { START_US } from "../../../bench/trace.ts";

const LIMIT = 10;
const TERMS = { limit: LIMIT, windowUs: 1_000_000 };
/** The middle of a window of the epoch's grid. */
const START_MS = START_US / 1_000 + 500;
const NAMES = Object.keys(PUBLISHED) as PublishedName[];
const ON_REDIS = NAMES.filter((name) => PUBLISHED[name].backend === "redis");

let nodes: RedisNodes;
beforeAll(async () => {
  nodes = await RedisNodes.start();
});
afterAll(() => nodes[Symbol.asyncDispose]());
beforeEach(async () => {
  await nodes.clear();
  vi.useFakeTimers({ toFake: ["Date"], now: START_MS });
});
afterEach(() => void vi.useRealTimers());

function opened(name: PublishedName): Promise<AskUnit> {
  return PUBLISHED[name].open(TERMS, nodes.connections[0]);
}

/** How many of so many were admitted, asked one after the other. */
async function admitted(ask: AskUnit, key: string, asked: number): Promise<number> {
  let count = 0;
  for (let unit = 0; unit < asked; unit += 1) {
    if (await new Promise<boolean>((answered, failed) => ask(key, answered, failed))) count += 1;
  }
  return count;
}

describe.each(NAMES)("%s", (name) => {
  it("admits a limit, no more, and tells keys apart", async () => {
    const ask = await opened(name);
    expect(await admitted(ask, "alice", LIMIT + 5)).toBe(LIMIT);
    expect(await admitted(ask, "bob", LIMIT - 1)).toBe(LIMIT - 1);
    expect(await admitted(ask, "alice", 1)).toBe(0);
  });
});

describe.each(NAMES.filter((name) => name !== "rate-limiter-flexible-redis"))("%s", (name) => {
  it("decides by the time that Date.now says, and admits a limit again two windows on", async () => {
    const ask = await opened(name);
    await admitted(ask, "alice", LIMIT);
    vi.setSystemTime(START_MS + 2_000);
    expect(await admitted(ask, "alice", LIMIT + 5)).toBe(LIMIT);
  });
});

describe("rate-limiter-flexible on Redis", () => {
  it("leaves it to Redis' own time when a window ends", async () => {
    const ask = await opened("rate-limiter-flexible-redis");
    await admitted(ask, "alice", LIMIT);
    vi.setSystemTime(START_MS + 2_000);
    const [key] = (await nodes.connections[0]?.keys("*")) ?? [];
    const leftMs = (await nodes.connections[0]?.pttl(key ?? "")) ?? 0;
    // A machine may have been slow, and the window over.
    if (leftMs > 200) expect(await admitted(ask, "alice", 1)).toBe(0);
    expect(leftMs).toBeLessThanOrEqual(1_000);
  });
});

describe("the token buckets of @upstash/ratelimit", () => {
  it("refill a limit at a time, or token by token", async () => {
    const coarse = await opened("upstash-token-bucket");
    const fine = await opened("upstash-token-by-token");
    await admitted(coarse, "alice", LIMIT);
    await admitted(fine, "bob", LIMIT);
    vi.setSystemTime(START_MS + 350);
    expect(await admitted(coarse, "alice", LIMIT)).toBe(0);
    expect(await admitted(fine, "bob", LIMIT)).toBe(3);
  });
});

describe("@upstash/ratelimit", () => {
  it("has decided nothing when it lets pass what Redis does not answer", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout"] });
    const silent = { evalsha: () => Promise.withResolvers().promise } as unknown as Redis;
    const ask = await PUBLISHED["upstash-fixed-window"].open(TERMS, silent);
    const refused = expect(admitted(ask, "alice", 1)).rejects.toThrow(/no answer from Redis/);
    await vi.advanceTimersByTimeAsync(5_000);
    await refused;
  });
});

describe.each(ON_REDIS)("%s", (name) => {
  it("asks Redis by hash as soon as it knows the script", async () => {
    const ask = await opened(name);
    await admitted(ask, "alice", 1);
    await nodes.connections[0]?.config("RESETSTAT");
    await admitted(ask, "alice", 20);
    const stats = (await nodes.connections[0]?.info("commandstats")) ?? "";
    expect(stats).toMatch(/^cmdstat_evalsha:calls=20,.*failed_calls=0/m);
    expect(stats).not.toContain("cmdstat_eval:");
  });

  it("fails rather than refuses or admits when Redis has gone", async () => {
    await using gone = await RedisNodes.start();
    const ask = await PUBLISHED[name].open(TERMS, gone.connections[0]);
    gone.connections[0]?.disconnect();
    await setImmediate();
    await expect(admitted(ask, "alice", 1)).rejects.toThrow(/Connection is closed|writeable/);
  });
});
