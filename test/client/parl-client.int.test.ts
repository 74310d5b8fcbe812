import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectParl } from "../../client/parl-client.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";

const ALL_FRAMES = "parl.shard.*.pack.*";

let nats: TestNatsServer;
let peer: NatsConnection;

beforeAll(async () => {
  nats = await startNatsServer();
  peer = await connect({ servers: nats.url });
});

afterAll(async () => {
  await peer.close();
  await nats.stop();
});

function client(options: Partial<Parameters<typeof connectParl>[0]> = {}) {
  return connectParl({ regions: [{ name: "eu", servers: [nats.url] }], deadlineMs: 100, ...options });
}

describe("ParlClient", () => {
  it("rejects the check when onFailure itself throws, and goes on working", { timeout: 5_000 }, async () => {
    const parl = await client({
      onFailure: () => {
        throw new Error("a mistake in onFailure");
      },
    });
    // Nobody answers; then somebody who says nothing.
    await expect(parl.check({ key: "a" })).rejects.toThrow("a mistake in onFailure");
    const silent = peer.subscribe(ALL_FRAMES, { callback: () => undefined });
    await peer.flush();
    await expect(parl.check({ key: "a" })).rejects.toThrow("a mistake in onFailure");
    silent.unsubscribe();
    await peer.flush();
    await expect(parl.check({ key: "a" })).rejects.toThrow("a mistake in onFailure");
    expect(parl.inFlight).toBe(0);
    await parl.close();
  });

  it.each([
    ["key", { key: 5 }],
    ["key", { key: null }],
    ["key", { key: ["a"] }],
    ["user", { key: "a", user: 7 }],
    ["key", { key: {}, user: "u" }],
    ["tenant", { key: "a", tenant: 5 }],
    ["id", { key: "a", id: 5 }],
    ["deadlineMs", { key: "a", deadlineMs: Number.NaN }],
    ["deadlineMs", { key: "a", deadlineMs: -1 }],
    ["deadlineMs", { key: "a", deadlineMs: Infinity }],
    ["deadlineMs", { key: "a", deadlineMs: "100" }],
  ])("names %s when it is of the wrong kind: %j", async (field, request) => {
    const parl = await client();
    await expect(parl.check(request as object)).rejects.toMatchObject({
      code: "PARL_INVALID_ARGUMENT",
      field,
    });
    expect(parl.inFlight).toBe(0);
    await parl.close();
  });
});
