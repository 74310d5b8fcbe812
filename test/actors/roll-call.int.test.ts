import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { callRoll, hasNobodyHeard } from "../../actors/roll-call.ts";
import { ParlError } from "../../core/errors.ts";
import { encodeJson, errorBody } from "../../core/wire-json.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";

const PATIENCE_MS = 150;

let server: TestNatsServer;
let nats: NatsConnection;

beforeAll(async () => {
  server = await startNatsServer();
  nats = await connect({ servers: server.url, inboxPrefix: "_INBOX.actor" });
  for (const name of ["a", "b"]) {
    nats.subscribe("both", { callback: (_, message) => void message.respond(JSON.stringify({ name })) });
  }
  nats.subscribe("inbox", {
    callback: (_, message) => void message.respond(JSON.stringify({ name: message.reply })),
  });
});

afterAll(async () => {
  await nats.close();
  await server.stop();
});

function answerWith(subject: string, body: unknown): void {
  nats.subscribe(subject, { callback: (_, message) => void message.respond(encodeJson(body)) });
}

async function names(subject: string, expected: number): Promise<string[]> {
  const answers = await callRoll<{ name: string }>(nats, { subject, expected, patienceMs: PATIENCE_MS });
  return answers.map(({ name }) => name).toSorted();
}

it("gathers the answers, and stops when all are there", async () => {
  const startedMs = performance.now();
  expect(await callRoll(nats, { subject: "both", expected: 2, patienceMs: 20_000 })).toHaveLength(2);
  expect(performance.now() - startedMs).toBeLessThan(10_000);
});

it("does not wait for ever for who is missing", async () => {
  expect(await names("both", 3)).toEqual(["a", "b"]);
});

it("hears no refusal as an answer", async () => {
  const refusal = errorBody(new ParlError("PARL_OVERLOADED", "the mailbox is full"));
  answerWith("busy", { name: "a" });
  answerWith("busy", refusal);
  expect(await names("busy", 2)).toEqual(["a"]);
});

it("is empty at once when nobody listens", async () => {
  const roll = { subject: "nobody", expected: 2, patienceMs: 20_000 };
  const startedMs = performance.now();
  expect(await callRoll(nats, roll)).toEqual([]);
  expect(performance.now() - startedMs).toBeLessThan(10_000);
});

it("waits in the inbox that its connection may use", async () => {
  expect(await names("inbox", 1)).toEqual([expect.stringMatching(/^_INBOX\.actor\./)]);
});

it("tells nobody from nothing", async () => {
  nats.subscribe("mute", { callback: () => undefined });
  const failure = (subject: string) =>
    nats.request(subject, "", { timeout: PATIENCE_MS }).catch((error: unknown) => hasNobodyHeard(error));
  expect(await failure("nobody")).toBe(true);
  expect(await failure("mute")).toBe(false);
});
