/** A tenant that sends all it can at once, to a process of its own through a real server. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const POLICIES = fileURLToPath(new URL("../../deploy/policies/default.yaml", import.meta.url));
/** Far more than are decided within a lease of two seconds on any machine that runs other tests beside. */
const FLOOD = 60_000;
const PATIENCE_MS = 60_000;

let server: TestNatsServer;
let actor: ChildProcess;
let nats: NatsConnection;

beforeAll(async () => {
  server = await startNatsServer();
  actor = spawn(process.execPath, [
    MAIN,
    "actor",
    "--nats",
    server.url,
    "--policies",
    POLICIES,
    "--claim-at-once",
  ]);
  for await (const line of createInterface({ input: actor.stdout! })) if (line.includes(" ready: ")) break;
  nats = await connect({ servers: server.url });
}, PATIENCE_MS);

afterAll(async () => {
  const gone = once(actor, "exit");
  actor.kill("SIGKILL");
  await gone;
  await nats.close();
  await server.stop();
});

/** Publishes checks in one go by a connection of its own; resolves when so many answers have come. */
async function flood(checks: number): Promise<void> {
  const socket = connectSocket(Number(new URL(server.url).port), "127.0.0.1");
  let answers = 0;
  let rest = "";
  const isAnswered = Promise.withResolvers<void>();
  socket.on("data", (chunk) => {
    const text = rest + chunk.toString("latin1");
    const lines = text.split("\r\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "PING") socket.write("PONG\r\n");
      else if (line.startsWith("MSG _INBOX.flood ")) answers += 1;
    }
    if (answers === checks) isAnswered.resolve();
  });
  socket.write('CONNECT {"verbose":false}\r\nSUB _INBOX.flood 1\r\n');
  socket.write("PUB parl.check.flooder.k _INBOX.flood 2\r\n{}\r\n".repeat(checks));
  await isAnswered.promise;
  socket.destroy();
}

it("costs the process no lease, and nobody an answer", { timeout: PATIENCE_MS }, async () => {
  const flooded = flood(FLOOD);
  const other = await nats.request("parl.check.acme.alice", "{}", { timeout: PATIENCE_MS });
  expect(other.json()).toMatchObject({ allowed: true });
  await flooded;
  const region = await nats.request("parl.observe.region", "", { timeout: PATIENCE_MS });
  expect(region.json<{ members: unknown[] }>().members).toMatchObject([
    { fenced: 0, tallies: { fenced: { answers: 0 } } },
  ]);
});
