import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { expect, it, onTestFinished } from "vitest";
import { freePort, ParlChild, runParl } from "./child.ts";

async function portFlags(): Promise<{ nats: number; http: number; flags: string[] }> {
  const [nats, http] = [await freePort(), await freePort()];
  return { nats, http, flags: ["--regions", "eu", "--nats", String(nats), "--http", String(http)] };
}

/** Resolves when it could listen there, which says that nobody else does. */
async function expectFree(port: number): Promise<void> {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  server.close();
  await once(server, "close");
}

it("comes up, answers HTTP and NATS, and leaves nothing behind on Ctrl-C", { timeout: 40_000 }, async () => {
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
  parl.interrupt();
  expect((await parl.ended()).code).toBe(0);
  await Promise.all([nats, http].map(expectFree));
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

it("says all that is wrong with the policy file, and starts nothing", async () => {
  const { flags } = await portFlags();
  const file = "test/fixtures/policies/bad/limits.yaml";
  const { code, stdout, stderr } = await runParl(["up", ...flags, "--policies", file]);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr.split("\n").length).toBe(1 + 9 + 1);
  expect(stderr).toContain("limits.yaml has 9 problems");
});

it.each([
  ["nowhere", undefined, "does not run"],
  ["too old", "nats-server: v2.9.10", "is 2.9.10, older than 2.12.0"],
])("says in one line that the nats-server it shall start is %s", async (_, banner, problem) => {
  const { flags } = await portFlags();
  const folder = await mkdtemp(join(tmpdir(), "parl-up-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "nats-server");
  if (banner !== undefined) {
    await writeFile(path, `#!/bin/sh\necho "${banner}"\n`);
    await chmod(path, 0o755);
  }
  const { code, stdout, stderr } = await runParl(["up", ...flags], { PARL_NATS_SERVER: path });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^parl up: [^\n]*\n$/);
  expect(stderr).toContain(`${path} ${problem}`);
});
