import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { AuditLog } from "../../actors/audit-log.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "parl-audit-"));
  path = join(folder, "audit.log");
  onTestFinished(() => rm(folder, { recursive: true }));
});

async function linesOf(file: string): Promise<unknown[]> {
  const text = await readFile(file, "utf8");
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

it("writes one line of JSON each, in order, for its owner's eyes", async () => {
  const log = await AuditLog.open({ path });
  const entries = Array.from({ length: 20 }, (_, n) => ({ n, by: "anna\n{}" }));
  await Promise.all(entries.map((entry) => log.append(entry)));
  expect(await linesOf(path)).toEqual(entries);
  expect(log).toMatchObject({ lines: 20, failures: 0 });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

it("goes on after what is there, closing a line that was cut off", async () => {
  await writeFile(path, '{"n":1}\n{"n":2,"re');
  const log = await AuditLog.open({ path });
  await log.append({ n: 3 });
  expect(await readFile(path, "utf8")).toBe('{"n":1}\n{"n":2,"re\n{"n":3}\n');
});

it("goes on in a new file when somebody has moved the old one away", async () => {
  const log = await AuditLog.open({ path });
  await log.append({ n: 1 });
  await rename(path, join(folder, "moved"));
  await log.append({ n: 2 });
  expect(await linesOf(path)).toEqual([{ n: 2 }]);
});

it("turns files over when they are full, keeps the newest, and no more than it may", async () => {
  const bytesMax = 100;
  const log = await AuditLog.open({ path, bytesMax, filesMax: 3 });
  for (let n = 0; n < 40; n += 1) await log.append({ n, pad: "x".repeat(10) });
  expect((await readdir(folder)).toSorted()).toEqual(["audit.log", "audit.log.1", "audit.log.2"]);
  const kept: unknown[] = [];
  for (const file of ["audit.log.2", "audit.log.1", "audit.log"]) {
    expect((await stat(join(folder, file))).size).toBeLessThanOrEqual(bytesMax);
    kept.push(...(await linesOf(join(folder, file))));
  }
  const numbers = kept.map((line) => (line as { n: number }).n);
  expect(numbers).toEqual(Array.from(numbers, (_, i) => 40 - numbers.length + i));
  expect(numbers.length).toBeGreaterThan(6);
});

it("takes a line that is longer than a file may be", async () => {
  const log = await AuditLog.open({ path, bytesMax: 10, filesMax: 2 });
  await log.append({ n: 1, pad: "x".repeat(50) });
  await log.append({ n: 2, pad: "x".repeat(50) });
  expect(await linesOf(path)).toMatchObject([{ n: 2 }]);
  expect(await linesOf(`${path}.1`)).toMatchObject([{ n: 1 }]);
});

it.each(["no/such/folder/audit.log", "."])("does not open %s, and says why", async (file) => {
  await expect(AuditLog.open({ path: join(folder, file) })).rejects.toMatchObject({
    code: "PARL_INVALID_ARGUMENT",
    field: "audit-log",
    message: expect.stringMatching(/^audit-log must name a file that can be appended to; E/),
  });
});

it("refuses while it cannot write, counts it, and goes on when it can again", async () => {
  const log = await AuditLog.open({ path });
  await rm(path);
  await mkdir(path);
  await expect(log.append({ n: 1 })).rejects.toMatchObject({
    code: "PARL_UNAVAILABLE",
    field: "audit-log",
    message: expect.stringMatching(/^the audit log cannot be written, and nothing is done without: EISDIR/),
  });
  expect(log).toMatchObject({ lines: 0, failures: 1 });
  await rm(path, { recursive: true });
  await log.append({ n: 2 });
  expect(await linesOf(path)).toEqual([{ n: 2 }]);
});
