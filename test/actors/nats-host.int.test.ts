import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { connectNats, natsOutbox } from "../../actors/nats-host.ts";
import { startRegion, type TestRegion } from "../harness/region.ts";

const POLICIES = `
version: 1
policies:
  - { name: three-a-year, dimension: key, algorithm: fixed-window, limit: 3, window: 366d }
`;

let region: TestRegion;
let nats: NatsConnection;

beforeAll(async () => {
  region = await startRegion({ policies: POLICIES });
  nats = await connect({ servers: region.nats.url });
});

afterAll(async () => {
  await nats.close();
  await region.stop();
});

async function ask(subject: string, payload: string | Uint8Array = ""): Promise<Record<string, unknown>> {
  return (await nats.request(subject, payload, { timeout: 2_000 })).json();
}

/** What a key has left. */
async function remaining(tenant: string, key: string): Promise<unknown> {
  return (await ask(`parl.check.${tenant}.${key}`, '{"tokens":0}'))["remaining"];
}

describe("a shard actor on NATS", () => {
  it("keeps every limit when somebody sends it the largest frame of bad items", async () => {
    await ask("parl.check.acme.spender", '{"tokens":3}');
    const count = 32_000;
    const frame = new Uint8Array(16 + 8 * count);
    frame.set([1, 0, 8]);
    new DataView(frame.buffer).setUint16(4, count, true);
    for (let item = 0; item < count; item += 1) frame[16 + 8 * item] = 200;
    await nats.request("parl.pack.acme.3", frame, { timeout: 5_000 });
    expect(await remaining("acme", "spender")).toBe(0);
    expect(await ask("parl.observe.region")).toMatchObject({ crashes: 0 });
  });

  it("does not let one tenant's tiny frame that claims to be heavy crowd out the others", async () => {
    const answers: string[] = [];
    const inbox = nats.subscribe("_INBOX.crowd.*", {
      callback: (_error, message) => void answers.push(message.string()),
    });
    nats.publish("parl.pack.acme.3", Uint8Array.of(1, 0, 8, 0, 0xff, 0xff), { reply: "_INBOX.crowd.liar" });
    for (let i = 0; i < 20; i += 1) {
      nats.publish(`parl.check.honest.key-${i}`, "", { reply: `_INBOX.crowd.${i}` });
    }
    await expect.poll(() => answers.length, { timeout: 2_000 }).toBe(21);
    inbox.unsubscribe();
    expect(answers.filter((answer) => answer.includes("OVERLOADED"))).toEqual([]);
  });

  it("loses an answer that cannot be sent, and nothing else", async () => {
    const connection = await connect({ servers: region.nats.url });
    const outbox = natsOutbox(connection);
    const tooLarge = new Uint8Array((connection.info?.max_payload ?? 0) + 1);
    expect(() => outbox.reply("_INBOX.a", tooLarge)).not.toThrow();
    const left = connection.drain();
    await expect.poll(() => connection.isDraining()).toBe(true);
    expect(() => outbox.reply("_INBOX.a", new Uint8Array())).not.toThrow();
    await left;
    expect(() => outbox.reply("_INBOX.a", new Uint8Array())).not.toThrow();
  });

  it("does not send its answers to where they would be requests", async () => {
    nats.publish("parl.check.acme.injector", "", { reply: "parl.check.victim.bob" });
    await ask("parl.check.acme.somebody");
    await ask("parl.check.acme.somebody");
    expect(await remaining("victim", "bob")).toBe(3);
  });
});

/** Somebody who says hello as a nats-server of that version does, and answers pings. */
async function fakeServer(version: string): Promise<string> {
  const server = createServer((socket) => {
    const info = { server_id: "fake", version, proto: 1, max_payload: 1_048_576, headers: true };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on("data", (chunk) => chunk.toString().includes("PING") && socket.write("PONG\r\n"));
    socket.on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("connectNats", () => {
  it.each(["2.9.10", "2.11.99", "1.99.99"])(
    "refuses a server of version %s, and says which it needs",
    async (version) => {
      const url = await fakeServer(version);
      await expect(connectNats({ servers: [url], name: "test" })).rejects.toMatchObject({
        code: "PARL_UNAVAILABLE",
        field: "nats",
        message: `nats-server ${version} at ${url} is too old; 2.12.0 or newer is needed`,
      });
    },
  );

  it.each(["2.12.0", "2.12.1-beta.2", "2.100.0", "3.0.0"])(
    "takes a server of version %s",
    async (version) => {
      const connection = await connectNats({ servers: [await fakeServer(version)], name: "test" });
      expect(connection.info?.version).toBe(version);
      await connection.close();
    },
  );

  it("says in one sentence that nobody answers, and what to do", async () => {
    await expect(connectNats({ servers: ["nats://127.0.0.1:9"], name: "test" })).rejects.toMatchObject({
      code: "PARL_UNAVAILABLE",
      field: "nats",
      message:
        "no NATS server answers at nats://127.0.0.1:9; start one (npm start starts all) or name it with --nats",
    });
  });
});
