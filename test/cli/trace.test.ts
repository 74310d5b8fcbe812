import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import type { EventColumns } from "../../bench/events.ts";
import { readTrace } from "../../bench/trace-reader.ts";
import { runCommand } from "../../cli/command.ts";
import { trace } from "../../cli/trace.ts";
import { US_PER_S } from "../../core/units.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const excerpt = (name: string): string => join(root, `test/fixtures/logs/${name}-excerpt.log`);
const committed = (name: string): string => join(root, `bench/lab/traces/${name}.trace`);
const folder = mkdtempSync(join(tmpdir(), "parl-trace-"));
const inFolder = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

async function run(...argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const printed = { stdout: "", stderr: "" };
  const stdout = { write: (text: string) => (printed.stdout += text) };
  const stderr = { write: (text: string) => (printed.stderr += text) };
  const signal = new AbortController().signal;
  return { code: await runCommand(trace, argv, { stdout, stderr, signal, env: {} }), ...printed };
}

function requestsBySecond({ atUs, count }: EventColumns): Map<number, number> {
  const seconds = Array.from(atUs.subarray(0, count), (us) => Math.floor(us / US_PER_S));
  return new Map([...Map.groupBy(seconds, (second) => second)].map(([at, all]) => [at, all.length]));
}

describe("parl trace", () => {
  it("writes the requests of a log as a trace, packed where the name says so, and tells what it left out", async () => {
    const out = inFolder("site.trace.gz");
    const { code, stdout, stderr } = await run(excerpt("semicomplete"), "--out", out);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("299 requests");
    expect(stdout).toContain("Odd lines, left out: 1 truncated");
    const { header, events } = await readTrace(out);
    expect(events.count).toBe(299);
    expect(header).toMatchObject({ dist: "recorded", shape: "recorded", seed: null, costMax: 1 });
    expect(stdout).toContain(`299 events of ${header.keys} keys`);
  });

  it("names nobody", async () => {
    const out = inFolder("named.trace");
    await run(excerpt("semicomplete"), "--out", out);
    expect(readFileSync(out, "utf8")).not.toMatch(/\d+\.\d+\.\d+\.\d+/);
  });

  it("takes the field that is the key", async () => {
    const out = inFolder("methods.trace");
    const { stdout } = await run(excerpt("acunetix"), "--out", out, "--key", "method");
    const methods = new Set(
      [...readFileSync(excerpt("acunetix"), "utf8").matchAll(/\] "([A-Z]+) /g)].map(([, method]) => method),
    );
    expect(methods.size).toBeGreaterThan(1);
    expect(stdout).toContain(`events of ${methods.size} keys`);
  });

  it.each([
    ["no --out", [excerpt("acunetix")], "--out is missing"],
    ["the log itself", [excerpt("acunetix"), "--out", excerpt("acunetix")], "would overwrite the log"],
    ["an unknown field", [excerpt("acunetix"), "--out", "x", "--key", "city"], "must be a field"],
  ])("refuses %s", async (_what, argv, message) => {
    const { code, stderr } = await run(...argv);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it("refuses what is no access log in one line, without a half-written trace", async () => {
    const out = inFolder("never.trace");
    const { code, stderr } = await run(join(root, "package-lock.json"), "--out", out);
    expect(code).not.toBe(0);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    await expect(readTrace(out)).rejects.toThrow("cannot read trace");
  });
});

describe.each([
  ["semicomplete", "site"],
  ["acunetix", "scan"],
])("the lab's trace of the %s log", (log, name) => {
  it("holds the requests of the excerpt in the seconds they were logged in", async () => {
    const out = inFolder(`${log}.trace`);
    await run(excerpt(log), "--out", out);
    const whole = requestsBySecond((await readTrace(committed(name))).events);
    for (const [second, requests] of requestsBySecond((await readTrace(out)).events))
      expect(whole.get(second) ?? 0).toBeGreaterThanOrEqual(requests);
  });
});
