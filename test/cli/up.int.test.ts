import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { expect, it, onTestFinished } from "vitest";
import { childrenOf, freePort, isAlive, ParlChild, runParl } from "./child.ts";

async function portFlags(): Promise<{ nats: number; http: number; flags: string[] }> {
  const [nats, http] = [await freePort(), await freePort()];
  const store = new URL(`../../.parl/store/eu-${nats}`, import.meta.url);
  onTestFinished(() => rm(store, { recursive: true, force: true }));
  return { nats, http, flags: ["--regions", "eu", "--nats", String(nats), "--http", String(http)] };
}

/** Resolves when it could listen there, which says that nobody else does. */
async function expectFree(port: number): Promise<void> {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  server.close();
  await once(server, "close");
}

it(
  "comes up, answers HTTP, NATS and operators, and leaves nothing behind on Ctrl-C",
  { timeout: 40_000 },
  async () => {
    const { nats, http, flags } = await portFlags();
    const parl = new ParlChild(["up", ...flags, "--json"]);
    onTestFinished(() => parl.stop());
    expect(JSON.parse(await parl.untilPrinted(/\n$/))).toEqual({
      regions: [{ name: "eu", nats: `nats://127.0.0.1:${nats}`, http: `http://127.0.0.1:${http}` }],
    });
    const answer = await fetch(`http://127.0.0.1:${http}/allow?key=alice`);
    expect([answer.status, await answer.json()]).toMatchObject([200, { allowed: true, region: "eu" }]);
    const peer = await connect({ servers: `nats://127.0.0.1:${nats}` });
    const bare = await peer.request("parl.check.acme.alice", '{"tokens":1}', { timeout: 5_000 });
    expect(bare.json()).toMatchObject({ allowed: true, region: "eu" });
    await peer.close();
    const operator = ["alice", "--tenant", "acme", "--regions", `eu=nats://127.0.0.1:${nats}`];
    expect(await runParl(["reset", ...operator])).toMatchObject({ code: 0 });
    parl.interrupt();
    expect((await parl.ended()).code).toBe(0);
    await Promise.all([nats, http].map(expectFree));
  },
);

function descendants(of: number): number[] {
  return childrenOf(of).flatMap((pid) => [pid, ...descendants(pid)]);
}

const UP = [process.execPath, "cli/main.ts", "up"] as const;
// What the set-up before it does is tested elsewhere, and not for this checkout.
const NPM_START = ["npm", "start", "--ignore-scripts", "--"] as const;

it.each([
  ["up", "SIGTERM", UP],
  ["up", "SIGHUP", UP],
  ["up", "SIGKILL", UP],
  ["npm", "SIGINT", NPM_START],
  ["npm", "SIGTERM", NPM_START],
  ["npm", "SIGHUP", NPM_START],
  ["npm", "SIGKILL", NPM_START],
] as const)(
  "leaves no process and no open port behind when %s gets %s",
  { timeout: 60_000 },
  async (_, signal, by) => {
    const { nats, http, flags } = await portFlags();
    const parl = new ParlChild(flags, {}, by);
    onTestFinished(() => parl.stop());
    await parl.untilPrinted(/PARL is up/);
    const pids = descendants(parl.pid);
    // nats-server, actor and gateway, each with its watcher.
    expect(pids.length).toBeGreaterThanOrEqual(6);
    onTestFinished(() => pids.filter(isAlive).forEach((pid) => process.kill(pid, "SIGKILL")));
    parl.signal(signal);
    await expect.poll(() => pids.filter(isAlive), { timeout: 20_000 }).toEqual([]);
    await parl.ended();
    await Promise.all([nats, http].map(expectFree));
  },
);

it("leaves in order although nobody reads any more what it says", async () => {
  const { flags } = await portFlags();
  const parl = new ParlChild(["up", ...flags]);
  onTestFinished(() => parl.stop());
  await parl.untilPrinted(/PARL is up/);
  parl.stopReading();
  parl.interrupt();
  expect((await parl.ended()).code).toBe(0);
});

it.each(["nats", "http"] as const)("says in one line that its %s port is taken", async (which) => {
  const ports = await portFlags();
  const squatter = createServer().listen(ports[which], "127.0.0.1");
  onTestFinished(() => void squatter.close());
  await once(squatter, "listening");
  expect(await runParl(["up", ...ports.flags])).toEqual({
    code: 1,
    stdout: "",
    stderr: `parl up: port ${ports[which]} on 127.0.0.1 is taken; end what uses it or choose another with --${which} <port>\n`,
  });
});

it("says that its own ports would overlap", async () => {
  const { code, stderr } = await runParl(["up", "--nats", "8380", "--http", "8382"]);
  expect(code).toBe(2);
  expect(stderr).toContain("--nats 8380 and --http 8382 need 3 ports each, which must not overlap");
});

it("ends in one line, and leaves nothing behind, when the last of its parts cannot start", async () => {
  const { nats, flags } = await portFlags();
  // An address of nobody's machine.
  const { code, stdout, stderr } = await runParl(["up", ...flags], { PARL_HOST: "203.0.113.1" });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^starting eu …\nparl up: gateway eu did not start: [^\n]*\n$/);
  await expectFree(nats);
});

it("says all that is wrong with the policy file, and starts nothing", async () => {
  const { flags } = await portFlags();
  const file = "test/fixtures/policies/bad/limits.yaml";
  const { code, stdout, stderr } = await runParl(["up", ...flags, "--policies", file]);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr.split("\n").length).toBe(1 + 9 + 1);
  expect(stderr).toContain("limits.yaml has 9 problems");
});

/** An executable that is started as the nats-server. */
async function scriptedServer(script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "parl-up-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "nats-server");
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

it("ends at once on a second Ctrl-C, and takes along what does not leave", async () => {
  const { flags } = await portFlags();
  const server = await scriptedServer(
    [
      `[ "$1" = -v ] && echo "nats-server: v2.15.1" && exit`,
      `trap "" TERM`,
      `echo $$ > "$0.pid"`,
      `echo "Server is ready"`,
      `while :; do sleep 0.1; done`,
    ].join("\n"),
  );
  const parl = new ParlChild(["up", ...flags], { PARL_NATS_SERVER: server });
  onTestFinished(() => parl.stop());
  const pid = (): Promise<string> => readFile(`${server}.pid`, "utf8").catch(() => "");
  await expect.poll(pid, { timeout: 20_000 }).toMatch(/\d\n/);
  parl.interrupt();
  await expect.poll(() => parl.stderr, { timeout: 20_000 }).toContain("ending …");
  parl.interrupt();
  expect((await parl.ended()).code).toBe(130);
  const number = Number(await pid());
  await expect.poll(() => isAlive(number), { timeout: 20_000 }).toBe(false);
});

it.each([
  ["nowhere", undefined, "does not run"],
  ["too old", "nats-server: v2.9.10", "is 2.9.10, older than 2.12.0"],
])("says in one line that the nats-server it shall start is %s", async (_, banner, problem) => {
  const { flags } = await portFlags();
  const path = banner === undefined ? "/nowhere/nats-server" : await scriptedServer(`echo "${banner}"`);
  const { code, stdout, stderr } = await runParl(["up", ...flags], { PARL_NATS_SERVER: path });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^parl up: [^\n]*\n$/);
  expect(stderr).toContain(`${path} ${problem}`);
});
