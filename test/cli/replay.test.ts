import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { runCommand } from "../../cli/command.ts";
import { replay } from "../../cli/replay.ts";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const site = join(root, "test/fixtures/logs/semicomplete-excerpt.log");
const scan = join(root, "test/fixtures/logs/acunetix-excerpt.log");
const policies = join(root, "deploy/policies/replay-all-algorithms.yaml");
const folder = mkdtempSync(join(tmpdir(), "parl-replay-"));
const inFolder = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

interface Printed {
  code: number;
  stdout: string;
  stderr: string;
}

async function run(argv: readonly string[], signal = new AbortController().signal): Promise<Printed> {
  const printed = { stdout: "", stderr: "" };
  const stdout = { write: (text: string) => (printed.stdout += text) };
  const stderr = { write: (text: string) => (printed.stderr += text) };
  const code = await runCommand(replay, argv, { stdout, stderr, signal, env: {} });
  return { code, ...printed };
}

describe("parl replay --offline on an access log", () => {
  it("says who would have been limited, when, and by which policy", async () => {
    const { code, stdout, stderr } = await run([
      site,
      "--offline",
      "--policies",
      policies,
      "--tenant",
      "gcra",
      "--top",
      "1",
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.replace(site, "site.log").replace(/in [\d.]+ s, [\d,]+\/s/, "in a moment")).toBe(
      [
        "site.log: 299 requests, 2015-05-20 10:05:00 to 2015-05-20 13:05:59 UTC; 280 out of order, sorted",
        "Odd lines, left out: 1 truncated",
        '  line 199, truncated: 46.118.127.106 - - [20/May/2015:12:05:17 +0000] "GET /scripts/grok-py-test/configlib.py HTTP/1.1" 2…',
        "",
        "Decided here, at the log's own times: 299 checks in a moment",
        "",
        "outcome        checks",
        "allowed           276",
        "denied             23",
        "unsatisfiable       0",
        "",
        "limited by policy  refused  keys  first                last",
        "replay-gcra             23     3  2015-05-20 11:05:01  2015-05-20 12:05:46",
        "",
        "key (1 of 3 limited)  tenant  refused  of  first                last                 by",
        "24.0.194.37           gcra         12  32  2015-05-20 11:05:01  2015-05-20 11:05:59  replay-gcra 12",
        "",
      ].join("\n"),
    );
  });

  it("gives the same as one JSON document", async () => {
    const { code, stdout } = await run([
      scan,
      "--offline",
      "--policies",
      policies,
      "--tenant",
      "gcra",
      "--json",
    ]);
    const report = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(report).toMatchObject({
      mode: "offline",
      log: { requests: 300, oddLines: 0, firstAt: "2016-12-22T13:18:08.000Z" },
      checks: 300,
      asked: 300,
      isInterrupted: false,
      outcomes: { unsatisfiable: 0 },
      limitedKeys: 1,
      limitedMost: [{ tenant: "gcra", key: "192.168.4.25", checks: 300 }],
    });
    expect(report.outcomes.denied).toBe(report.limitedMost[0].policies["replay-gcra"]);
  });

  it("maps other fields to the key, and stops at --limit", async () => {
    const argv = [scan, "--offline", "--policies", policies, "--tenant", "gcra", "--json"];
    const { stdout } = await run([...argv, "--key", "path", "--limit", "200"]);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ checks: 200 });
    expect(report.limitedMost[0].key).toMatch(/^\//);
  });
});

describe("parl replay --record", () => {
  const tenants = ALGORITHMS.join(",");
  const recording = inFolder("decisions.ndjson.gz");

  it("keeps the decisions, which --offline makes again and the oracle confirms", async () => {
    const packed = inFolder("scan.log.gz");
    writeFileSync(packed, gzipSync(readFileSync(scan)));
    const record = await run([
      packed,
      "--offline",
      "--policies",
      policies,
      "--tenant",
      tenants,
      "--record",
      recording,
    ]);
    expect(record).toMatchObject({ code: 0, stderr: "" });
    expect(record.stdout).toContain(`The decisions are in ${recording}.`);

    const { code, stdout } = await run([recording, "--offline", "--oracle"]);
    expect(stdout).toContain(
      "Recorded and offline agree on all 2,400 decisions. The exact oracle agrees with every",
    );
    expect(code).toBe(0);
    for (const name of ALGORITHMS)
      expect(stdout).toMatch(new RegExp(`replay-${name} +300 +\\d+ +300 +300\n`));
  });

  it("exits 1 when a recorded decision was another one, and shows both sides", async () => {
    const lines = gunzipSync(readFileSync(recording)).toString().split("\n");
    const denied = lines.findIndex((line) => line.includes('"outcome":"denied"'));
    const forged = lines.with(denied, (lines[denied] ?? "").replace('"denied"', '"allowed"'));
    const file = inFolder("forged.ndjson");
    writeFileSync(file, forged.join("\n"));

    const { code, stdout } = await run([file, "--offline", "--oracle"]);
    expect(code).toBe(1);
    expect(stdout).toContain("Recorded and offline DISAGREE on 1 of 2,400 decisions.");
    expect(stdout).toContain("The exact oracle DISAGREES with 1 recorded ones.");
    expect(stdout).toMatch(/offline \d+ .*allowed, .*denied, retry \d+ µs/);
    const json = JSON.parse((await run([file, "--offline", "--json"])).stdout);
    expect(json).toMatchObject({ decisions: 2_400, disagreements: 1, oracleDisagreements: null });
  });

  it("leaves a file that is refused in one line when it was cut short", async () => {
    const file = inFolder("cut.ndjson");
    writeFileSync(file, gunzipSync(readFileSync(recording)).subarray(0, 50_000));
    const { code, stdout, stderr } = await run([file, "--offline"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^parl replay: line \d+ of the decision log is not JSON: .*\n$/);
  });
});

describe("parl replay used wrongly", () => {
  it.each([
    [[scan, "--offline"], 2, "--offline on an access log needs --policies"],
    [[scan, "--offline", "--oracle", "--policies", policies], 2, "--oracle needs a recording"],
    [[inFolder("none.log")], 1, "ENOENT"],
    [[scan, "--offline", "--policies", policies, "--record", inFolder("none/d.ndjson")], 1, "ENOENT"],
    [[scan, "--offline", "--policies", policies, "--record", scan], 2, "--record would overwrite the log"],
    [[scan, "--offline", "--policies", inFolder("none.yaml")], 1, "ENOENT"],
    [[policies], 1, "holds no request in Common or Combined Log Format: line 1 is no-time"],
    [[scan, "--offline", "--policies", scan], 1, "acunetix-excerpt.log"],
  ])("says how in one line: %j", async (argv, code, message) => {
    const printed = await run(argv);
    expect(printed.stdout).toBe("");
    expect(printed.stderr).toContain(message);
    expect(printed.code).toBe(code);
  });

  it("needs --offline for a recording, and takes no other policies with it", async () => {
    const file = inFolder("tiny.ndjson");
    await run([scan, "--offline", "--policies", policies, "--limit", "1", "--record", file]);
    expect((await run([file])).stderr).toContain("is a recording: it needs --offline");
    expect((await run([file, "--offline", "--policies", policies])).stderr).toContain(
      "brings its own policies",
    );
  });
});

it("exits 130 when it is told to stop while it reads", async () => {
  const stop = new AbortController();
  const running = run([scan, "--offline", "--policies", policies], stop.signal);
  stop.abort();
  expect(await running).toEqual({ code: 130, stdout: "", stderr: "" });
});
