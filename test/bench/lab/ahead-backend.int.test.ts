/** Clients that fetch ahead from a real Redis, against the model in which a round trip takes no time. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drive } from "../../../bench/driver.ts";
import { AheadBackend } from "../../../bench/lab/ahead-backend.ts";
import { labTrace } from "../../../bench/lab/lab-trace.ts";
import { LocalAllocation } from "../../../bench/lab/local-allocation.ts";
import { RedisNodes } from "../../../bench/redis-nodes.ts";
import { Prng } from "../../../core/prng.ts";
import { micros, US_PER_S } from "../../../core/units.ts";

const CLIENTS = 3;
const BUCKET = { limit: 1_000, windowUs: micros(US_PER_S), burst: 100 } as const;
const PARAMS = { algorithm: "gcra", ...BUCKET } as const;
const nowUs = (): number => performance.now() * 1_000;

let nodes: RedisNodes;
beforeAll(async () => {
  nodes = await RedisNodes.start();
});
afterAll(() => nodes[Symbol.asyncDispose]());

async function ahead(events: ReturnType<typeof labTrace>["events"], batch: number): Promise<AheadBackend> {
  await nodes.clear();
  const [limiter] = nodes.limiters(PARAMS, 60_000);
  return new AheadBackend(events, { limiter: limiter!, params: PARAMS, clients: CLIENTS, batch, seed: 5 });
}

describe("clients that fetch ahead", () => {
  it.each([
    [1, 1_500],
    [7, 700],
    [7, 1_500],
    [100, 700],
    [100, 1_500],
  ])(
    "%i at once, at %i a second, decide as the model does, asked one after the other",
    async (batch, rate) => {
      const { events } = labTrace({ seed: 3, keys: 1, rate, durationUs: 2 * US_PER_S, arrivals: "spiky" });
      const backend = await ahead(events, batch);
      const { admitted } = await drive(events, backend, { pace: "max", nowUs, batch: 1 });
      const model = new LocalAllocation(BUCKET, CLIENTS, batch);
      const clients = new Prng(5);
      const expected = Array.from({ length: events.count }, (_, index) =>
        model.ask(clients.below(CLIENTS), events.atUs[index]!) ? 1 : 0,
      );
      expect([...admitted]).toEqual(expected);
      if (rate > BUCKET.limit) expect(expected).toContain(0);
      // Redis grants all or nothing: what is less than a batch takes a second question.
      expect(backend.roundTrips).toBeGreaterThanOrEqual(model.roundTrips);
      expect(backend.roundTrips).toBeLessThanOrEqual(2 * model.roundTrips);
    },
  );

  it("answer everything once when all is asked at once, with a fetch a client under way", async () => {
    const { events } = labTrace({ seed: 3, keys: 1, rate: 1_000, durationUs: US_PER_S });
    const backend = await ahead(events, 10);
    const answers = new Uint8Array(events.count);
    backend.submit(0, events.count, { decided: (index) => void (answers[index]! += 1) });
    expect(backend.roundTrips).toBe(CLIENTS);
    while (answers.includes(0)) await backend.turn();
    expect(Math.max(...answers)).toBe(1);
  });

  it("tell the driver when Redis is gone", async () => {
    await using other = await RedisNodes.start();
    const { events } = labTrace({ seed: 3, keys: 1, rate: 100, durationUs: US_PER_S });
    const [limiter] = other.limiters(PARAMS, 60_000);
    const options = { limiter: limiter!, params: PARAMS, clients: 1, batch: 5, seed: 1 };
    other.connections[0]!.disconnect();
    const run = drive(events, new AheadBackend(events, options), { pace: "max", nowUs });
    await expect(run).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
  });
});
