import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HotFlood } from "../../../bench/lab/hot-flood.ts";
import { RedisNodes } from "../../../bench/redis-nodes.ts";
import { micros, US_PER_S } from "../../../core/units.ts";

const PARAMS = { algorithm: "gcra", limit: 1_000_000, windowUs: micros(US_PER_S) } as const;

let nodes: RedisNodes;
beforeAll(async () => {
  nodes = await RedisNodes.start();
});
afterAll(() => nodes[Symbol.asyncDispose]());

function start(isOneCall = false): Promise<HotFlood> {
  const { options } = nodes.connections[0]!;
  return HotFlood.start({ address: options, params: PARAMS, connections: 2, batch: 50, isOneCall });
}

async function calls(): Promise<number> {
  const info = await nodes.connections[0]!.info("commandstats");
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0);
}

describe("a hot key's flood", () => {
  it("goes on until it is stopped, and tells how many decisions a second it got", async () => {
    await nodes.limiters(PARAMS, 1)[0]!.load();
    const before = await calls();
    await using flood = await start();
    const startMs = performance.now();
    while ((await calls()) < before + 3_000);
    const perS = await flood.stop();
    // All but the two batches that it began with.
    expect((perS * (performance.now() - startMs)) / 1_000).toBeGreaterThan(2_800);
    const after = await calls();
    expect(after % 50).toBe(0);
    expect(await nodes.keys()).toBe(1);
    expect(await calls()).toBe(after);
  });

  it("asks for a batch in a call when told so", async () => {
    await nodes.limiters(PARAMS, 1)[0]!.load();
    const before = await calls();
    await using flood = await start(true);
    const perS = await flood.stop();
    const made = (await calls()) - before;
    expect(perS).toBeGreaterThan(0);
    expect(made).toBeGreaterThanOrEqual(4);
  });

  it("that cannot begin says so, and why", async () => {
    await nodes.connections[0]!.script("FLUSH");
    await expect(start()).rejects.toMatchObject({
      code: "PARL_UNAVAILABLE",
      message: expect.stringContaining("NOSCRIPT") as string,
    });
  });
});
