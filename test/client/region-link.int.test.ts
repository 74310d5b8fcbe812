import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { connect } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { connectParl, type ParlClient, type ParlClientOptions } from "../../client/parl-client.ts";
import { ParlError } from "../../core/errors.ts";
import { RegionLink, type CheckEvents } from "../../client/region-link.ts";
import { encodeId } from "../../core/id.ts";
import { homeShard, SHARDS_DEFAULT } from "../../core/key.ts";
import { Prng } from "../../core/prng.ts";
import { encodeJson, errorBody } from "../../core/wire-json.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";
import { allow, HandDrivenShards, movingReply, type ReceivedFrame } from "./hand-driven-shards.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function bufferBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

let nats: TestNatsServer;
let shards: HandDrivenShards;
let parl: ParlClient;

beforeAll(async () => {
  nats = await startNatsServer();
});

beforeEach(async () => {
  shards = await HandDrivenShards.on(nats.url);
});

afterEach(async () => {
  vi.useRealTimers();
  await parl.close();
  await shards.close();
});

afterAll(async () => {
  await nats.stop();
});

async function connectClient(options: Partial<ParlClientOptions> = {}): Promise<void> {
  parl = await connectParl({ regions: [{ name: "eu", servers: [nats.url] }], deadlineMs: 5_000, ...options });
}

describe("the way to a region", () => {
  it("packs the checks of a tick into one message per tenant, kind and shard", async () => {
    await connectClient();
    shards.onFrame = allow;
    const keys = Array.from({ length: 1_000 }, (_, i) => `key ${i}`);
    await Promise.all(keys.map((key) => parl.check({ tenant: "acme", key })));
    const counts = new Map<string, number>();
    for (const key of keys) {
      const subject = `parl.shard.${homeShard("acme", encodeId(key), SHARDS_DEFAULT)}.pack.acme`;
      counts.set(subject, (counts.get(subject) ?? 0) + 1);
    }
    expect(new Map(shards.frames.map(({ subject, count }) => [subject, count]))).toEqual(counts);
    expect(shards.frames.length).toBe(counts.size);
  });

  it("keeps checks and reports apart, and tenants", async () => {
    await connectClient();
    shards.onFrame = allow;
    const key = "alice";
    await Promise.all([
      parl.check({ tenant: "a", key }),
      parl.report({ tenant: "a", key }),
      parl.check({ tenant: "b", key }),
      parl.check({ tenant: "a", key }),
    ]);
    expect(shards.frames.map(({ count }) => count).toSorted((a, b) => a - b)).toEqual([1, 1, 2]);
  });

  it("sends every check by itself when told to", async () => {
    await connectClient({ checksPerMessageMax: 1 });
    shards.onFrame = allow;
    await Promise.all(Array.from({ length: 5 }, () => parl.check({ key: "alice" })));
    expect(shards.frames.map(({ count }) => count)).toEqual([1, 1, 1, 1, 1]);
  });

  it("keeps the deadline of every check by itself, within one message", async () => {
    await connectClient();
    const hasty = parl.check({ key: "alice", deadlineMs: 30 });
    const patient = parl.check({ key: "alice", deadlineMs: 5_000 });
    await expect(hasty).rejects.toMatchObject({ code: "PARL_DEADLINE_EXCEEDED" });
    expect(parl.inFlight).toBe(1);
    await shards.untilFrames(1);
    expect(shards.frames.map(({ count }) => count)).toEqual([2]);
    allow(shards.frames[0]!);
    expect(await patient).toMatchObject({ allowed: true, blind: false });
    expect(parl.inFlight).toBe(0);
  });

  it("waits until the deadline of every check and less than 10 ms more, when nobody answers", async () => {
    await connectClient();
    vi.useFakeTimers({
      toFake: ["performance", "setTimeout", "clearTimeout", "setInterval", "clearInterval"],
    });
    const patiencesMs = [20, 21, 22, 23, 60, 20, 90.5, 22, 20, 1];
    const gaveUpMs: number[] = [];
    patiencesMs.forEach((deadlineMs, i) => {
      parl.check({ key: "alice", deadlineMs }).catch(() => (gaveUpMs[i] = performance.now()));
    });
    await shards.untilFrames(1);
    for (let nowMs = 1; nowMs <= 110; nowMs += 1) {
      vi.advanceTimersByTime(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(shards.frames.map(({ count }) => count)).toEqual([patiencesMs.length]);
    for (const [i, patienceMs] of patiencesMs.entries()) {
      expect(gaveUpMs[i]).toBeGreaterThanOrEqual(patienceMs);
      expect(gaveUpMs[i]).toBeLessThan(patienceMs + 10);
    }
    expect(parl.inFlight).toBe(0);
  });

  it("is not disturbed by callers that throw when they are answered", async () => {
    await connectClient();
    shards.onFrame = allow;
    const throwing = Array.from({ length: 50 }, () =>
      parl.check({ key: "alice" }).then(() => {
        throw new Error("a mistake of the caller");
      }),
    );
    const calm = Promise.all(Array.from({ length: 50 }, () => parl.check({ key: "alice" })));
    for (const outcome of await Promise.allSettled(throwing)) {
      expect(outcome).toMatchObject({ reason: { message: "a mistake of the caller" } });
    }
    expect((await calm).every(({ allowed }) => allowed)).toBe(true);
    expect(parl.inFlight).toBe(0);
    expect(await parl.check({ key: "alice" })).toMatchObject({ allowed: true });
  });

  it("ends every check once, however its messages fare", async () => {
    await connectClient({ deadlineMs: 40, checksPerMessageMax: 7 });
    const prng = new Prng(1);
    const refusal = encodeJson(errorBody(new ParlError("PARL_OVERLOADED", "full")));
    const fates: readonly ((frame: ReceivedFrame) => void)[] = [
      allow,
      ({ message, count }) => message.respond(movingReply(count, prng.below(64))),
      ({ message }) => message.respond(refusal),
      ({ message }) => message.respond("nonsense"),
      ({ message, count }) => message.respond(movingReply(Math.floor(count / 2), 3)),
      (frame) => {
        allow(frame);
        allow(frame);
      },
      () => undefined,
    ];
    shards.onFrame = (frame) => fates[prng.below(fates.length)]!(frame);
    for (let round = 0; round < 20; round += 1) {
      const checks = Array.from({ length: 200 }, (_, i) =>
        parl.check({ key: `key ${i % 9}`, tier: i % 5 === 0 ? "leased" : "approximate" }),
      );
      await Promise.allSettled(checks);
      expect(parl.inFlight).toBe(0);
    }
  });

  it("says that a check was not sent when its connection takes no more, and keeps no trace of it", async () => {
    await connectClient();
    const connection = await connect({ servers: nats.url });
    const errors: ParlError[] = [];
    const events: CheckEvents = {
      decided: () => undefined,
      failed: (_link, _cohort, _index, error) => {
        errors.push(error);
        throw error;
      },
    };
    const link = new RegionLink("eu", connection, events);
    await connection.close();
    const lane = { token: "acme", placement: 1 };
    const ids = { key: "alice", user: "", id: "" };
    const rest = {
      tier: "approximate",
      cost: 1,
      deadlineMs: Infinity,
      moves: 0,
      request: undefined,
    } as const;
    const answer = link.add({ kind: "check", lane, shard: 5, ...ids, ...rest });
    await expect(answer).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
    await link.close();
    expect(errors.length).toBe(1);
  });

  it("takes a late answer for none, and goes on working", async () => {
    await connectClient();
    await expect(parl.check({ key: "alice", deadlineMs: 20 })).rejects.toMatchObject({
      code: "PARL_DEADLINE_EXCEEDED",
    });
    await shards.untilFrames(1);
    allow(shards.frames[0]!);
    shards.onFrame = allow;
    expect(await parl.check({ key: "alice" })).toMatchObject({ allowed: true });
  });

  it("follows a key to its home once, and gives up when it is sent on again", async () => {
    await connectClient();
    shards.onFrame = (frame) => {
      if (frame.subject.startsWith("parl.shard.9.")) allow(frame);
      else frame.message.respond(movingReply(frame.count, 9));
    };
    expect(await parl.check({ key: "alice" })).toMatchObject({ allowed: true });
    shards.onFrame = ({ message, count }) => message.respond(movingReply(count, 9));
    await expect(parl.check({ key: "alice" })).rejects.toMatchObject({ code: "PARL_NOT_OWNER" });
    expect(parl.inFlight).toBe(0);
  });

  it("hands on a refusal of the whole message, field and all", async () => {
    await connectClient();
    const refusal = new ParlError("PARL_INVALID_ARGUMENT", "tenant is odd", { field: "tenant" });
    shards.onFrame = ({ message }) => message.respond(encodeJson(errorBody(refusal)));
    await expect(parl.check({ key: "alice" })).rejects.toMatchObject({
      code: "PARL_INVALID_ARGUMENT",
      field: "tenant",
      message: "tenant is odd",
    });
  });

  it.each<[string, string | Uint8Array]>([
    ["nothing", ""],
    ["a word", "hello"],
    ["half a JSON document", '{"error":'],
    ["JSON that is no error", "{}"],
    ["an error without a code", '{"error":{}}'],
    ["a code that only objects have", '{"error":{"code":"__proto__","message":"?"}}'],
    ["a packed reply cut off", Uint8Array.of(1, 0x81, 28, 0, 1, 0)],
    ["no answer to the check", Uint8Array.of(1, 0x81, 28, ...new Uint8Array(29))],
  ])("makes a typed error of %s", async (_, nonsense) => {
    await connectClient();
    shards.onFrame = ({ message }) => message.respond(nonsense);
    await expect(parl.check({ key: "alice" })).rejects.toMatchObject({ code: "PARL_INTERNAL" });
    expect(parl.inFlight).toBe(0);
  });

  it("leaves a region alone that lets message after message go unanswered, and tries it again", async () => {
    await connectClient();
    for (let i = 0; i < 3; i += 1) {
      await expect(parl.check({ key: "alice", deadlineMs: 300 })).rejects.toMatchObject({
        code: "PARL_DEADLINE_EXCEEDED",
      });
    }
    expect(parl.usableRegions()).toEqual([]);
    await expect(parl.check({ key: "alice" })).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
    shards.onFrame = allow;
    await expect.poll(() => parl.usableRegions(), { timeout: 8_000 }).toEqual(["eu"]);
    expect(await parl.check({ key: "alice" })).toMatchObject({ allowed: true });
  });

  it(
    "forgets tenants it has not heard of for long, and none of their checks",
    { timeout: 20_000 },
    async () => {
      await connectClient();
      shards.onFrame = allow;
      const ask = async (from: number, count: number) => {
        const tenants = Array.from({ length: count }, (_, i) => `tenant-${from + i}`);
        const answers = await Promise.all(tenants.map((tenant) => parl.check({ tenant, key: "alice" })));
        expect(answers.every(({ allowed }) => allowed)).toBe(true);
        shards.frames.length = 0;
      };
      await ask(0, 5_000);
      const before = bufferBytes();
      for (let round = 1; round <= 4; round += 1) await ask(round * 5_000, 5_000);
      // A buffer of half a KiB for each of 25,000 tenants would be 12 MiB. Freeing takes the collector a moment.
      await expect.poll(() => bufferBytes() - before, { timeout: 8_000 }).toBeLessThan(6 * 2 ** 20);
    },
  );
});
