import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { runCommand, type TextSink } from "../../cli/command.ts";
import { replay } from "../../cli/replay.ts";
import { startRegion, type TestRegion } from "../harness/region.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const excerpt = (name: string): string => join(root, `test/fixtures/logs/${name}-excerpt.log`);
const scan = excerpt("acunetix");
const policies = join(root, "deploy/policies/replay-all-algorithms.yaml");
const folder = mkdtempSync(join(tmpdir(), "parl-replay-live-"));
const recording = join(folder, "decisions.ndjson.gz");

let region: TestRegion;
beforeAll(async () => {
  region = await startRegion({ policies: readFileSync(policies, "utf8") });
});
afterAll(async () => {
  await region.stop();
  rmSync(folder, { recursive: true });
});

interface Run {
  readonly signal?: AbortSignal;
  readonly stderr?: TextSink;
}

async function run(argv: readonly string[], { signal, stderr }: Run = {}) {
  const printed = { stdout: "", stderr: "" };
  const [server = ""] = region.address.servers;
  const code = await runCommand(replay, argv, {
    stdout: { write: (text) => (printed.stdout += text) },
    stderr: stderr ?? { write: (text) => (printed.stderr += text) },
    signal: signal ?? new AbortController().signal,
    env: { PARL_REGIONS: `eu=${server}` },
  });
  return { code, ...printed };
}

describe("parl replay through a running region", () => {
  it.each([
    ["semicomplete", "max", 299],
    ["acunetix", "1000", 300],
  ])("decides the %s log live as offline does, and as the oracle does", async (log, speed, requests) => {
    const argv = [excerpt(log), "--speed", speed, "--tenant", ALGORITHMS.join(","), "--policies", policies];
    const live = await run([...argv, "--record", recording, "--json"]);
    expect(live).toMatchObject({ code: 0, stderr: "" });
    const report = JSON.parse(live.stdout);
    expect(report).toMatchObject({ mode: "live", asked: 8 * requests, blind: 0, unanswered: [] });
    expect(report.policies.map(({ policy }: { policy: string }) => policy).toSorted()).toEqual(
      ALGORITHMS.map((name) => `replay-${name}`).toSorted(),
    );

    const again = await run([recording, "--offline", "--oracle", "--json"]);
    expect(JSON.parse(again.stdout)).toMatchObject({
      decisions: 8 * requests,
      disagreements: 0,
      oracleDisagreements: 0,
      examples: [],
      missing: 0,
    });
    expect(again.code).toBe(0);
  });

  it("stops when told to, prints what there is and records it", async () => {
    const stop = new AbortController();
    // The bar is drawn for the first time a tenth of a second into the replay.
    const stderr = { isTTY: true, write: () => stop.abort() };
    const argv = [scan, "--speed", "60", "--tenant", "gcra", "--policies", policies, "--record", recording];
    const { code, stdout } = await run(argv, { signal: stop.signal, stderr });
    expect(code).toBe(130);
    const asked = Number(/: (\d+) of 300 checks in .*; stopped early/.exec(stdout)?.[1]);
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThan(300);
    const again = await run([recording, "--offline", "--json"]);
    expect(JSON.parse(again.stdout)).toMatchObject({ decisions: asked, unanswered: 0 });
  });

  it("counts what nobody answered and fails", async () => {
    await region.actor.drain();
    const { code, stdout } = await run([scan, "--limit", "20"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/unanswered: PARL_UNAVAILABLE +20\nPARL_UNAVAILABLE: no actor answers/);
  });

  it("says in one line that nobody is there", async () => {
    await region.nats.kill();
    const { code, stdout, stderr } = await run([scan]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^parl replay: region eu does not answer at .*\n$/);
  });
});
