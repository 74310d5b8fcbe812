import { once } from "node:events";
import { createServer } from "node:net";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { appendCsv, csvText, tableText, type Row } from "../../bench/row.ts";

const ROW: Row = {
  algo: "gcra",
  backend: "local",
  dist: "zipf",
  rate: 1000,
  keys: 10,
  over_admit_pct: 0,
  under_admit_pct: 1.5,
  bytes_per_key: 15,
  p50_us: 0.5,
  p99_us: 1,
  p999_us: 2,
  decisions_per_s: 1e6,
  redis_used_mem: null,
  envelope: "bucket",
  pace: "max",
  clock: "app",
  batch: null,
  batch_as: null,
  round_trips: 0,
  shape: "steady",
  zipf_s: 1.1,
  seed: 1,
  trace: null,
  limit: 10,
  window_us: 1_000_000,
  burst: 10,
  duration_us: 1_000_000,
  events: 1000,
  denied: 3,
  distinct_keys: 10,
  held_keys: 0,
  live_keys: 9,
  elapsed_s: 0.1,
  cpu: 'a "fast" one, with commas',
  cores: 2,
  memory_gib: 24,
  node: "v24",
  commit: "abc",
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "parl-row-"));
});
afterAll(() => rm(folder, { recursive: true }));

it("a row begins with the columns of the comparison, quotes what needs it and leaves null empty", () => {
  const [header, values] = csvText(ROW).split("\n");
  expect(header).toMatch(
    /^algo,backend,dist,rate,keys,over_admit_pct,under_admit_pct,bytes_per_key,p50_us,p99_us,p999_us,decisions_per_s,redis_used_mem,/,
  );
  expect(values).toMatch(/^gcra,local,zipf,1000,10,0,1.5,15,0.5,1,2,1000000,,bucket,/);
  expect(values).toContain(',"a ""fast"" one, with commas",2,');
});

it("rows gather in one CSV file under one header", async () => {
  const path = join(folder, "rows.csv");
  await appendCsv(path, ROW);
  await appendCsv(path, { ...ROW, algo: "fixed" });
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  expect(lines.map((line) => line.split(",")[0])).toEqual(["algo", "gcra", "fixed"]);
});

it("a row is not appended to a file of other columns", async () => {
  const path = join(folder, "other.csv");
  await writeFile(path, "a,b\n1,2\n");
  await expect(appendCsv(path, ROW)).rejects.toMatchObject({ code: "PARL_INVALID_FILE", field: "csv" });
  expect(await readFile(path, "utf8")).toBe("a,b\n1,2\n");
});

it("a row is not appended to what is no file, which might have no end", async () => {
  const path = join(folder, "socket");
  const server = createServer().listen(path);
  await once(server, "listening");
  await expect(appendCsv(path, ROW)).rejects.toThrow(/is no file/);
  server.close();
});

it("the table on screen has a line for every column", () => {
  expect(tableText(ROW).trimEnd().split("\n")).toHaveLength(Object.keys(ROW).length);
  expect(tableText(ROW)).toContain("redis_used_mem    –\n");
});
