/**
 * The fault suite at its shortest: two real processes, one of which leaves, comes back and is killed under load.
 * `npm run verify:actors` is the long one.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { runScenario, type Scenario } from "../../sim/faults/scenario.ts";

const LEASE_MS = 600;
/** These tests share the machine with others. */
const PATIENCE_MS = 90_000;

const brief: Scenario = {
  name: "brief",
  expects: "one of two leaves, returns and is killed",
  members: ["a", "b"],
  promises: { gapMs: 8_000, takeoverMs: 8_000 },
  async run(stage) {
    const { cluster } = stage;
    await cluster.actor("b").stop();
    await cluster.startActor("b");
    await cluster.untilBalanced();
    stage.ownerLost(cluster.shardsOf("b"));
    await cluster.actor("b").kill();
  },
};

it(
  "admits nothing twice and loses nothing when a process leaves, returns and is killed",
  async () => {
    const { violations, measured } = await runScenario(brief, {
      seed: 1,
      leaseMs: LEASE_MS,
      callsPerS: 250,
      probesPerShardPerS: 2,
      beforeMs: 1_000,
      afterMs: 500,
      offered: 1.2,
      callersScale: 0.25,
      signal: new AbortController().signal,
      say: () => undefined,
    });
    expect(violations).toEqual([]);
    expect(measured).toMatchObject({ crashes: 1 });
    expect(measured["admitted"]).toBeGreaterThan(500);
  },
  PATIENCE_MS,
);

it("refuses a scenario that does not exist", async () => {
  const program = new URL("../../sim/faults.ts", import.meta.url).pathname;
  const refused = promisify(execFile)(process.execPath, [program, "--only", "nosuch"]);
  await expect(refused).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--only must be among kill, pause") as unknown,
  });
});
