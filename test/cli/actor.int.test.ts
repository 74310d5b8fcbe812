import { readFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { expect, it, onTestFinished } from "vitest";
import { decodeInboxLine } from "../../actors/inbox-recording.ts";
import { startNatsServer } from "../harness/nats-server.ts";
import { ParlChild, runParl } from "./child.ts";

it("says it is ready, decides, records what arrives, and leaves on Ctrl-C", async () => {
  const nats = await startNatsServer();
  const folder = await mkdtemp(join(tmpdir(), "parl-actor-"));
  const record = join(folder, "inbox.ndjson");
  const parl = new ParlChild(["actor", "--nats", nats.url, "--record", record, "--json"]);
  onTestFinished(async () => {
    await parl.stop();
    await nats.stop();
    await rm(folder, { recursive: true });
  });
  const ready = JSON.parse(await parl.untilPrinted(/\n$/)) as unknown;
  expect(ready).toMatchObject({ region: "eu", nats: nats.url, shards: 64 });
  const peer = await connect({ servers: nats.url });
  const answer = await peer.request("parl.check.acme.alice", '{"tokens":1}', { timeout: 5_000 });
  expect(answer.json()).toMatchObject({ allowed: true });
  await peer.close();
  parl.interrupt();
  expect(await parl.ended()).toMatchObject({ code: 0, stderr: "" });
  const lines = (await readFile(record, "utf8")).trim().split("\n");
  const requests = lines.map(decodeInboxLine).filter(({ event }) => event.kind === "key-request");
  expect(requests).toMatchObject([{ event: { verb: "check", tenant: "acme", key: "alice" } }]);
});

it("says in one line that NATS is down, and what to do", async () => {
  expect(await runParl(["actor", "--nats", "nats://127.0.0.1:9"])).toEqual({
    code: 1,
    stdout: "",
    stderr:
      "parl actor: no NATS server answers at nats://127.0.0.1:9; start one (npm start starts all) or name it with --nats\n",
  });
});

it("says all that is wrong with the policy file", async () => {
  const { code, stderr } = await runParl(["actor", "--policies", "test/fixtures/policies/bad/limits.yaml"]);
  expect(code).toBe(1);
  expect(stderr).toContain("limits.yaml has 9 problems");
  expect(stderr.match(/policies\[\d]\.limit must be/g)?.length).toBe(9);
});
