import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { setImmediate } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodedCommands, encodedDecisions, RedisFlood } from "../../../bench/lab/redis-flood.ts";
import { RedisNodes } from "../../../bench/redis-nodes.ts";
import { micros, US_PER_S } from "../../../core/units.ts";
import { RedisLimiter } from "../../../lua/redis-limiter.ts";

const PARAMS = { algorithm: "gcra", limit: 100, windowUs: micros(60 * US_PER_S) } as const;
const NOW_US = micros(1_753_267_200_000_000);
const TTL_MIN_MS = 60_000;

let nodes: RedisNodes;
let limiter: RedisLimiter;
beforeAll(async () => {
  nodes = await RedisNodes.start();
  const [redis] = nodes.connections;
  limiter = new RedisLimiter({ redis: redis!, policy: "flood", params: PARAMS, ttlMinMs: TTL_MIN_MS });
});
afterAll(() => nodes[Symbol.asyncDispose]());

function asks(key: string, count: number) {
  return Array.from({ length: count }, () => ({ key, cost: 1, nowUs: NOW_US }));
}

async function remaining(key: string): Promise<number> {
  return (await limiter.check(key, 0, NOW_US)).remaining;
}

/** A server that answers each question with such pieces, one by one, whatever it is asked. */
async function answering(answers: readonly (readonly string[])[]) {
  const server = createServer((socket) => {
    void (async () => {
      socket.setNoDelay(true);
      let answered = 0;
      for await (const _question of socket) {
        for (const piece of answers[answered] ?? []) {
          socket.write(piece);
          // Until it has been read at the other end, as far as one can know.
          for (let turn = 0; turn < 20; turn += 1) await setImmediate();
        }
        answered += 1;
      }
    })().catch(() => undefined); // Who asked has gone.
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: { host: "127.0.0.1", port },
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}

describe("a flood", () => {
  it("is over when Redis has decided everything, in calls of their own and all in one", async () => {
    await limiter.load();
    using flood = await RedisFlood.open(nodes.connections[0]!.options);
    await flood.send(encodedDecisions(PARAMS, asks("own calls", 70), { ttlMinMs: TTL_MIN_MS }));
    expect(await remaining("own calls")).toBe(30);
    const oneCall = { ttlMinMs: TTL_MIN_MS, isOneCall: true };
    await flood.send(encodedDecisions(PARAMS, asks("one call", 40), oneCall));
    expect(await remaining("one call")).toBe(60);
    await flood.send(encodedDecisions(PARAMS, [], { ttlMinMs: TTL_MIN_MS }));
  });

  it("sends again what was encoded once, each part over when its own answers are there", async () => {
    await limiter.load();
    using flood = await RedisFlood.open(nodes.connections[0]!.options);
    const calls = encodedDecisions(PARAMS, asks("again", 10), { ttlMinMs: TTL_MIN_MS });
    const order: number[] = [];
    await Promise.all([0, 1, 2].map((part) => flood.send(calls).then(() => order.push(part))));
    expect(order).toEqual([0, 1, 2]);
    expect(await remaining("again")).toBe(70);
  });

  it("does not take an error for an answer", async () => {
    using flood = await RedisFlood.open(nodes.connections[0]!.options);
    const call = { bytes: encodedCommands([["PING"], ["NO-SUCH-COMMAND"], ["PING"]]), answerLines: 3 };
    await expect(flood.send(call)).rejects.toMatchObject({
      code: "PARL_INTERNAL",
      message: expect.stringContaining("unknown command") as string,
    });
    await expect(flood.send(call)).rejects.toMatchObject({ code: "PARL_INTERNAL" });
  });

  it("does not take more answers than it was asked for", async () => {
    using flood = await RedisFlood.open(nodes.connections[0]!.options);
    const calls = { bytes: encodedCommands([["PING"], ["PING"]]), answerLines: 1 };
    await expect(flood.send(calls)).rejects.toMatchObject({ code: "PARL_INTERNAL" });
  });

  it("finds errors at the beginning of a line only, however its bytes arrive", async () => {
    await using server = await answering([["*2\r\n:", "-1\r\n:", "-2", "\r", "\n"], ["-ERR no\r\n"]]);
    using flood = await RedisFlood.open(server.address);
    const bytes = encodedCommands([["PING"]]);
    await flood.send({ bytes, answerLines: 3 });
    await expect(flood.send({ bytes, answerLines: 1 })).rejects.toThrow("-ERR no");
  });

  it("leaves nobody waiting when it is ended", async () => {
    const flood = await RedisFlood.open(nodes.connections[0]!.options);
    const over = flood.send({ bytes: encodedCommands([["PING"]]), answerLines: 2 });
    flood[Symbol.dispose]();
    await expect(over).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
  });

  it("fails when the server is gone", async () => {
    await using other = await RedisNodes.start();
    using flood = await RedisFlood.open(other.connections[0]!.options);
    const over = flood.send({ bytes: encodedCommands([["SHUTDOWN", "NOSAVE"]]), answerLines: 1 });
    await expect(over).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
  });
});
