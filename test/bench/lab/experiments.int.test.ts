import { describe, expect, it } from "vitest";
import { ALGORITHMS, type AlgorithmName } from "../../../algorithms/algorithm.ts";
import { filled } from "../../../bench/lab/bytes-per-key.ts";
import { EXPERIMENTS } from "../../../bench/lab/experiments.ts";
import type { Finding } from "../../../bench/lab/experiment.ts";
import { svgOf } from "../../../bench/lab/plot.ts";
import { jsonText, resultOf, type Result } from "../../../bench/lab/result.ts";
import { describeMachine } from "../../../bench/machine.ts";

const DATE = "2026-01-02T03:04:05.678Z";

/** A quick run, and what every result of something measured has in common. */
async function quickRun(name: string): Promise<readonly Finding[]> {
  const experiment = EXPERIMENTS.find((each) => each.name === name)!;
  const shares: number[] = [];
  const scale = { isQuick: true, seed: 7, progress: (share: number) => void shares.push(share) };
  const result = await resultOf(experiment, scale, describeMachine(), DATE);
  const file = JSON.parse(jsonText(result)) as Result;
  expect(file).toMatchObject({
    experiment: name,
    seed: 7,
    date: DATE,
    quick: true,
    machine: describeMachine(),
  });
  expect(file.redis ?? "none").toMatch(experiment.needsRedis === true ? /^\d+\.\d+/ : /^none$/);
  const columns = Object.keys(file.rows[0]!);
  for (const row of file.rows) {
    expect(Object.keys(row)).toEqual(columns);
    // JSON makes null of what is no number: then a row would not be what it was.
    for (const each of columns) expect(row[each]).toBe(result.rows[file.rows.indexOf(row)]![each]);
  }
  expect(Math.max(...shares)).toBeLessThanOrEqual(1);
  expect(shares.at(-1)).toBeGreaterThan(0.9);
  expect(await svgOf(experiment.chart(result.rows))).toContain(experiment.title);
  return file.rows;
}

function column(rows: readonly Finding[], name: string): number[] {
  return rows.map((row) => row[name] as number);
}

function those(rows: readonly Finding[], words: Finding): readonly Finding[] {
  return rows.filter((row) => Object.entries(words).every(([name, value]) => row[name] === value));
}

function decided(rows: readonly Finding[]): unknown[] {
  return rows.map((row) => [row["algorithm"], row["asked_per_s"], row["decisions"], row["denied"]]);
}

describe("a quick run", () => {
  it("finds no difference between key table and scripts, having met every kind of question", async () => {
    const rows = await quickRun("lua-agreement");
    expect(rows.map(({ algorithm }) => algorithm)).toEqual([...ALGORITHMS]);
    expect(column(rows, "differences")).toEqual(rows.map(() => 0));
    for (const kind of ["allowed", "denied", "unsatisfiable", "peeks", "reports", "refunds", "steps_back"]) {
      expect(Math.min(...column(rows, kind)), kind).toBeGreaterThan(20);
    }
  });

  it("decides the same here and in Redis, by every algorithm, at full speed and as it comes", async () => {
    const rows = await quickRun("local-and-redis");
    const local = those(rows, { backend: "local" });
    const redis = those(rows, { backend: "redis" });
    expect(local).toHaveLength(16);
    expect(decided(redis)).toEqual(decided(local));
    expect(Math.max(...column(rows, "denied"))).toBeGreaterThan(0);
    expect(Math.min(...column(redis, "round_trips"))).toBeGreaterThan(0);
    expect(Math.min(...column(redis, "redis_us_per_decision"))).toBeGreaterThan(1);
    expect(Math.max(...column(local, "round_trips"))).toBe(0);
  });

  it("asks in four ways for 1 to 1,024 decisions at once, and says what a pipelined one is made of", async () => {
    const rows = await quickRun("batching");
    for (const way of ["PING, pipelined", "empty script, pipelined", "GCRA, pipelined", "GCRA, one call"]) {
      const batches = Array.from({ length: 11 }, (_, power) => 2 ** power);
      expect(column(those(rows, { way }), "batch")).toEqual(batches);
    }
    for (const row of those(rows, { way: "GCRA, pipelined" })) {
      const parts = ["way_us", "call_us", "decide_us"].map((part) => row[part] as number);
      expect(parts[0]! + parts[1]! + parts[2]!).toBeCloseTo(row["usual_us_per_decision"] as number, 2);
    }
    expect(those(rows, { way_us: null })).toHaveLength(33);
    // A script has more to do than PING, whatever the machine does meanwhile.
    const inRedis = (way: string): number =>
      column(those(rows, { way, batch: 1_024 }), "redis_us_per_decision")[0]!;
    expect(inRedis("GCRA, pipelined")).toBeGreaterThan(5 * inRedis("PING, pipelined"));
  });

  it("asks one, two and three servers, each in three ways", async () => {
    const rows = await quickRun("several-redis");
    expect(column(rows, "servers")).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
    expect(Math.min(...column(rows, "decisions_per_s"))).toBeGreaterThan(0);
  });

  it("has one to four actor processes of a region asked by two callers, and knows whose time that takes", async () => {
    const rows = await quickRun("actor-processes");
    expect(column(rows, "processes")).toEqual([1, 1, 2, 2, 3, 3, 4, 4]);
    for (const row of rows) {
      expect(row["checks_per_s"]).toBeGreaterThan(0);
      expect(row["slowest_round_per_s"]).toBeLessThanOrEqual(row["fastest_round_per_s"] as number);
    }
    // Nothing is refused or lost that would be missing here: the SDK rejects, and frames come back by the hundred.
    const [sdk, frames] = ["the SDK, a promise a check", "frames made beforehand"].map((caller) =>
      column(those(rows, { caller }), "checks_per_s"),
    ) as [number[], number[]];
    expect(Math.min(...frames)).toBeGreaterThan(Math.max(...sdk));
  });

  it("finds that one of two places has the whole hot key, here and in Redis", async () => {
    const rows = await quickRun("hot-keys");
    expect(rows).toHaveLength(16);
    for (const place of ["1 shard here", "2 shards here", "1 Redis", "2 Redis"]) {
      const shares = column(those(rows, { place }), "hottest_pct");
      expect(shares).toEqual(shares.toSorted((left, right) => left - right));
      expect(shares.at(-1)).toBe(100);
      const busiest = column(those(rows, { place }), "busiest_place_pct");
      expect(busiest[0]).toBeLessThan(place.startsWith("2") ? 60 : 101);
      expect(busiest.at(-1)).toBe(100);
    }
    for (const row of rows) {
      const isShared = row["traffic"] !== "one key" && row["place"] !== "2 shards here";
      expect(row["median_p99_us"] === null).toBe(!isShared);
      expect(row["hottest_p99_us"] === null).toBe(row["place"] === "2 shards here");
      expect(row["median_per_s"]).toBeLessThanOrEqual(row["hottest_per_s"] as number);
      expect(row["redis_cpu_pct"] === null).toBe(String(row["place"]).endsWith("here"));
    }
  });

  it("finds what relief costs: units ahead go beyond the burst at most by what is held, sub-keys never", async () => {
    const rows = await quickRun("hot-key-relief");
    expect(rows).toHaveLength(27);
    const steady = { demand: "120 % of the limit" };
    const refused = (relief: string): number => column(those(rows, { ...steady, relief }), "refused_pct")[0]!;
    expect(those(rows, { relief: "one key", over_admit_pct: 0, under_admit_pct: 0 })).toHaveLength(3);
    expect(refused("one key")).toBeGreaterThan(1);
    for (const ahead of [10, 100, 500]) {
      const those3 = those(rows, { relief: `${ahead} fetched ahead` });
      const heldPct = (100 * 4 * (ahead - 1)) / 1_000;
      expect(Math.max(...column(those3, "over_admit_pct"))).toBeLessThanOrEqual(heldPct);
      expect(Math.max(...column(those3, "round_trips_per_decision"))).toBeLessThan(0.3);
    }
    const sub = rows.filter(({ relief }) => String(relief).includes("sub-keys"));
    expect(Math.max(...column(sub, "over_admit_pct"))).toBe(0);
    expect(refused("2 sub-keys")).toBeLessThan(refused("one key") + 5);
    expect(refused("50 sub-keys")).toBeGreaterThan(refused("2 sub-keys"));
    expect(refused("4 sub-keys, by uneven client")).toBeGreaterThan(refused("one key") + 5);
  });

  it("asks by both clocks, one at a time and pipelined, and says what the server's costs it", async () => {
    const rows = await quickRun("server-clock");
    expect(rows).toHaveLength(8 * 2 * 2);
    for (const row of those(rows, { clock: "server" })) {
      const { algorithm, way } = row;
      const [told] = those(rows, { algorithm: algorithm!, way: way!, clock: "app" });
      const more = (row["redis_us_per_decision"] as number) - (told!["redis_us_per_decision"] as number);
      expect(row["redis_us_more"]).toBeCloseTo(more, 3);
    }
    expect(those(rows, { p99_us: null })).toHaveLength(16);
    const perS = (way: string): number => Math.max(...column(those(rows, { way }), "decisions_per_s"));
    expect(perS("pipelined")).toBeGreaterThan(perS("one at a time"));
    expect(Math.min(...column(rows, "redis_us_per_decision"))).toBeGreaterThan(1);
  });

  it("asks for cold keys beside a hot one that floods their Redis, another one, and a shard here", async () => {
    const rows = await quickRun("fairness");
    expect(those(rows, { place: "redis" })).toHaveLength(6);
    expect(those(rows, { place: "here" })).toHaveLength(3);
    for (const row of rows) {
      expect((row["hot_per_s"] as number) > 0).toBe(row["flood"] !== "none");
      expect(row["cold_p50_us"]).toBeLessThanOrEqual(row["cold_p99_us"] as number);
      expect(row["cold_asks"]).toBeGreaterThan(50);
    }
    // By the servers' own time, which does not depend on who else has the machine.
    const busyPct = (flood: string): number =>
      column(those(rows, { place: "redis", flood }), "redis_cpu_pct")[0]!;
    expect(busyPct("4 connections, pipelined")).toBeGreaterThan(
      2 * busyPct("4 connections, to another Redis"),
    );
    expect(busyPct("4 connections, pipelined")).toBeGreaterThan(2 * busyPct("none"));
  });

  it("says so when the native module is not measured, and why", async () => {
    const rows = await quickRun("redis-cell");
    expect(rows).toHaveLength(1);
    const { state, ...rest } = rows[0]!;
    expect(state).toBe("not built: not in a quick run");
    expect(new Set(Object.values(rest))).toEqual(new Set([null]));
  });

  it("finds that the log grows with what is admitted and GCRA does not", async () => {
    const rows = await quickRun("hot-log");
    for (const backend of ["local", "redis"]) {
      const log = column(those(rows, { backend, algorithm: "sliding-log" }), "bytes");
      const gcra = column(those(rows, { backend, algorithm: "gcra" }), "bytes");
      for (const [size, bytes] of log.slice(1).entries()) expect(bytes).toBeGreaterThan(1.5 * log[size]!);
      expect(log.at(-1)).toBeGreaterThan(12 * 1_000);
      expect(Math.max(...gcra)).toBeLessThan(200);
    }
  });

  it("finds that lifetimes give memory back, and that nothing else does", async () => {
    const rows = await quickRun("expiry");
    const kept = those(rows, { lifetime: "none to speak of" });
    const living = those(rows, { lifetime: "lifetime of its debt" });
    expect(column(kept, "keys").at(-1)).toBe(10_000);
    expect(column(living, "keys").at(-1)).toBe(0);
    const bytes = column(living, "used_bytes");
    expect(bytes.at(-1)).toBeLessThan(Math.max(...bytes) / 3);
    expect(column(kept, "used_bytes").at(-1)).toBeGreaterThan(10_000 * 100);
  });
});

describe("bytes for a live key", () => {
  it("are a table's slot here, and more than a hundred in Redis, where the log needs more for each event", async () => {
    const gcra = await bytesIn("redis", "gcra", 5_000, 1);
    expect(gcra).toBeGreaterThan(100);
    expect(gcra).toBeLessThan(300);
    expect(await bytesIn("redis", "sliding-log", 5_000, 10)).toBeGreaterThan(gcra + 100);
    const here = await bytesIn("local", "gcra", 200_000, 1);
    expect(here).toBeGreaterThan(12);
    expect(here).toBeLessThan(gcra / 2);
  });
});

async function bytesIn(
  backend: "local" | "redis",
  algorithm: AlgorithmName,
  keys: number,
  hits: number,
): Promise<number> {
  return (await filled({ algorithm, backend, keys, hits }, () => undefined))["bytes_per_key"] as number;
}
