import { expect, it, onTestFinished } from "vitest";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { startRedisServer } from "../harness/redis-server.ts";
import { connectRedis } from "../../lua/redis-connection.ts";
import { compared } from "../../bench/twin-run.ts";
import { runBench } from "./run-bench.ts";

interface Report {
  readonly agrees: boolean;
  readonly seed: number;
  readonly algorithms: readonly Record<string, number>[];
}

it("verify:lua compares every algorithm, meets every kind of decision, and finds no difference", async () => {
  const { code, stdout, stderr } = await runBench("verify-lua.ts", "--decisions", "2_000", "--seed", "7");
  expect([code, stderr]).toEqual([0, ""]);
  const { agrees, seed, algorithms } = JSON.parse(stdout) as Report;
  expect([agrees, seed]).toEqual([true, 7]);
  expect(algorithms.map(({ algorithm }) => algorithm)).toEqual([...ALGORITHMS]);
  for (const tally of algorithms) {
    expect(tally["decisions"]).toBeGreaterThanOrEqual(2_000);
    for (const kind of ["allowed", "denied", "unsatisfiable", "peeks", "reports", "steps_back"]) {
      expect(tally[kind], kind).toBeGreaterThan(20);
    }
    expect(tally).toMatchObject({ differences: 0, examples: [] });
  }
});

it("counts and shows what differs, as where keys of another run are left", async () => {
  const server = await startRedisServer();
  onTestFinished(() => server.stop());
  const redis = await connectRedis(server.url);
  onTestFinished(() => redis.disconnect());
  const run = { decisions: 100, seed: 1, onProgress: () => undefined };
  expect(await compared(redis, "gcra", run)).toMatchObject({ differences: 0, examples: [] });
  const { decisions, differences, examples } = await compared(redis, "gcra", run);
  expect(decisions).toBeGreaterThanOrEqual(100);
  expect(differences).toBeGreaterThan(50);
  expect(examples).toHaveLength(5);
});

it("verify:lua says in one line what is wrong, and exits 2", async () => {
  for (const [args, words] of [
    [["--decisions", "0"], "--decisions must be a whole number"],
    [["--algo", "magic"], "--algo must be one of"],
    [["--redis", "nowhere"], "redis must be a URL"],
  ] as const) {
    const { code, stdout, stderr } = await runBench("verify-lua.ts", ...args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr.trim().split("\n")).toEqual([expect.stringContaining(words)]);
  }
});

it("verify:lua leaves a Redis alone that holds something", async () => {
  const server = await startRedisServer();
  onTestFinished(() => server.stop());
  const redis = await connectRedis(server.url);
  await redis.set("precious", "1");
  const { code, stderr } = await runBench("verify-lua.ts", "--decisions", "1", "--redis", server.url);
  expect([code, stderr]).toEqual([2, expect.stringContaining("an empty database")]);
  expect(await redis.get("precious")).toBe("1");
  redis.disconnect();
});
