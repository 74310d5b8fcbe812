import { existsSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BENCH_FLAGS, measuredRow } from "../../bench/bench-command.ts";
import { freePort } from "../../bench/child.ts";
import { Flags } from "../../bench/flags.ts";
import type { Row } from "../../bench/row.ts";
import { locateRedisServer } from "../../deploy/setup/locate.mjs";
import { runBench, runShell } from "./run-bench.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const COLUMNS = [
  "algo backend dist rate keys over_admit_pct under_admit_pct bytes_per_key p50_us p99_us p999_us",
  "decisions_per_s redis_used_mem envelope pace clock batch batch_as round_trips shape zipf_s seed trace",
  "limit window_us burst duration_us events denied distinct_keys held_keys live_keys elapsed_s",
  "cpu cores memory_gib node commit",
]
  .join(" ")
  .split(" ");

let folder: string;
let trace: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "parl-bench-"));
  trace = join(folder, "t.trace.gz");
  await runBench("gen.ts", "--keys", "200", "--rate", "20_000", "--duration", "300ms", "--out", trace);
});
afterAll(() => rm(folder, { recursive: true }));

async function rowOf(...args: string[]): Promise<Row> {
  const { code, stdout, stderr } = await runBench("main.ts", ...args, "--json");
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as Row;
}

describe("npm run bench", () => {
  it("drives a trace file and fills every column", async () => {
    const csv = join(folder, "rows.csv");
    const args = [
      "--algo",
      "gcra",
      "--trace",
      trace,
      "--limit",
      "20",
      "--window",
      "1s",
      "--pace",
      "max",
      "--csv",
      csv,
    ];
    const row = await rowOf(...args);
    expect(Object.keys(row)).toEqual(COLUMNS);
    expect(row).toMatchObject({
      algo: "gcra",
      backend: "local",
      dist: "zipf",
      rate: 20_000,
      keys: 200,
      over_admit_pct: 0,
      under_admit_pct: 0,
      redis_used_mem: null,
      burst: 20,
      window_us: 1_000_000,
      seed: 1,
      trace,
    });
    expect(row.denied).toBeGreaterThan(500);
    for (const column of [
      "bytes_per_key",
      "p50_us",
      "p99_us",
      "p999_us",
      "decisions_per_s",
      "live_keys",
    ] as const) {
      expect(row[column]).toBeGreaterThan(0);
    }
    const [header, values] = (await readFile(csv, "utf8")).split("\n");
    expect(header).toBe(COLUMNS.join(","));
    expect(values).toMatch(/^gcra,local,zipf,20000,200,0,0,/);
  });

  it("decides the same at either pace, from a file or from flags", async () => {
    const common = ["--algo", "scounter", "--limit", "20", "--window", "50ms"];
    const made = ["--keys", "200", "--rate", "20_000", "--duration", "300ms"];
    const [file, flags] = await Promise.all([
      rowOf(...common, "--trace", trace, "--pace", "max"),
      rowOf(...common, ...made, "--pace", "real"),
    ]);
    expect(flags.elapsed_s).toBeGreaterThan(0.29);
    const { events, denied, over_admit_pct, under_admit_pct } = file;
    expect(flags).toMatchObject({ events, denied, over_admit_pct, under_admit_pct });
    expect(over_admit_pct).toBeGreaterThan(0);
  });

  it("drives Redis as it drives the key table, and judges it by the same oracle", async () => {
    const common = ["--algo", "fixed", "--limit", "20", "--window", "50ms", "--trace", trace];
    const [local, redis] = await Promise.all([
      rowOf(...common, "--pace", "max"),
      rowOf(
        ...common,
        "--backend",
        "redis",
        "--redis",
        "2",
        "--batch",
        "16",
        "--batch-as",
        "call",
        "--hold",
        "300",
      ),
    ]);
    const { events, denied, over_admit_pct, under_admit_pct, distinct_keys } = local;
    expect(redis).toMatchObject({ events, denied, over_admit_pct, under_admit_pct, backend: "redis" });
    expect(over_admit_pct).toBeGreaterThan(0);
    expect(redis).toMatchObject({
      batch: 16,
      batch_as: "call",
      held_keys: 300,
      live_keys: distinct_keys + 300,
    });
    expect(redis.redis_used_mem).toBeGreaterThan(1_000_000);
    expect(redis.round_trips).toBeLessThan(events);
    expect(redis.elapsed_s).toBeGreaterThan(0.29);
  });

  it("judges nothing that Redis' own clock decided at full speed, and does when it kept the trace's pace", async () => {
    const args = ["--algo", "gcra", "--limit", "20", "--window", "1s", "--trace", trace];
    const measured = (pace: string): Promise<Row> => {
      const all = [...args, "--backend", "redis", "--clock", "redis", "--pace", pace];
      return measuredRow(new Flags(BENCH_FLAGS, all), () => performance.now() * 1_000);
    };
    const [fast, paced] = [await measured("max"), await measured("real")];
    expect(fast).toMatchObject({ clock: "redis", over_admit_pct: null, under_admit_pct: null });
    expect(paced.denied).toBeGreaterThan(500);
    // It decides a little later than was asked, so that a little more or less has drained.
    expect(paced.over_admit_pct).toBeLessThan(50);
    expect(paced.under_admit_pct).toBeLessThan(50);
  });

  it("reads a trace from standard input and prints a table", async () => {
    const line = `gunzip -c ${trace} | "$NODE" "$BENCH/main.ts" --algo fixed --trace - --pace max`;
    const { code, stdout } = await runShell(line);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^algo +fixed\nbackend +local\n/);
  });

  it("explains itself", async () => {
    const { code, stdout } = await runBench("main.ts", "--help");
    expect(code).toBe(0);
    for (const flag of ["--algo", "--trace", "--pace", "--csv", "--zipf-s"]) expect(stdout).toContain(flag);
  });

  it("answers bad input with one clear line", async () => {
    const { code, stdout, stderr } = await runBench("main.ts", "--algo", "best");
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^--algo must be one of fixed, slog, scounter, .*, got "best"\n$/);
  });

  it("ends with one line, and no row, when no Redis answers or the disk is full", async () => {
    const csv = join(folder, "full.csv");
    const algo = ["--algo", "gcra", "--trace", trace, "--pace", "max"];
    const unreachable = await runBench(
      "main.ts",
      ...algo,
      "--backend",
      "redis",
      "--redis",
      "redis://127.0.0.1:1",
    );
    expect([unreachable.code, unreachable.stdout]).toEqual([1, ""]);
    expect(unreachable.stderr).toMatch(/^no connection to Redis .*127\.0\.0\.1:1\?\n$/);
    const full = await runShell(`ulimit -f 1; "$NODE" "$BENCH/main.ts" ${algo.join(" ")} --csv ${csv}`);
    expect([full.code, full.stdout]).toEqual([2, ""]);
    expect(full.stderr).toMatch(/^cannot write .*full\.csv: EFBIG.*\n$/);
    expect((await readdir(folder)).filter((name) => name.startsWith("full"))).toEqual([]);
  });

  it.skipIf(!existsSync("/dev/full"))("says so when nobody gets its row", async () => {
    const { code, stderr } = await runShell(
      `"$NODE" "$BENCH/main.ts" --algo gcra --trace ${trace} --pace max --json > /dev/full`,
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/^cannot write standard output: ENOSPC.*\n$/);
  });

  it("takes its Redis along when it is told to end", async () => {
    const port = String(await freePort());
    const lengthy = ["--algo", "gcra", "--backend", "redis", "--duration", "30s", "--rate", "100"];
    // A Redis that says where it is.
    const program = join(folder, "redis-server");
    const real = locateRedisServer({ root: ROOT, env: process.env }).path;
    await writeFile(program, `#!/bin/sh\necho "$@" > "$0.args"\nexec "${real}" "$@"\n`, { mode: 0o755 });
    const child = spawn(process.execPath, [join(ROOT, "bench/main.ts"), ...lengthy, "--metrics-port", port], {
      stdio: "ignore",
      env: { ...process.env, PARL_REDIS_SERVER: program },
    });
    const ended = once(child, "exit");
    await expect.poll(() => answers(`http://127.0.0.1:${port}/metrics`), { timeout: 10_000 }).toBe(true);
    const redis = Number(/--port (\d+)/.exec(await readFile(`${program}.args`, "utf8"))?.[1]);
    expect(await isOpen(redis)).toBe(true);
    child.kill("SIGTERM");
    expect(await ended).toEqual([143, null]);
    await expect.poll(() => isOpen(redis)).toBe(false);
  });

  it("refuses half a trace", async () => {
    const half = join(folder, "half.trace.gz");
    await runBench("gen.ts", "--out", half);
    await truncate(half, 50_000);
    const { code, stderr } = await runBench("main.ts", "--algo", "gcra", "--trace", half);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^trace .*half\.trace\.gz: truncated .*\n$/);
  });
});

function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
