/** How the gateway asks its region about itself, when the process that gets the question may hang. */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, expect, it } from "vitest";
import { HomeRegion } from "../../gateway/home-region.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";

const DEADLINE_MS = 600;
/** For a busy machine. */
const SLACK_MS = 1_500;

let server: TestNatsServer;
let nats: NatsConnection;
let home: HomeRegion;
let asked: number;

beforeEach(async () => {
  server = await startNatsServer();
  nats = await connect({ servers: server.url });
  home = new HomeRegion({ name: "eu", servers: [server.url] }, DEADLINE_MS);
  await home.tried;
  asked = 0;
});

afterEach(async () => {
  await home.close();
  await nats.close();
  await server.stop();
});

/** Processes that leave the first questions unanswered. */
async function answerAfter(silent: number): Promise<void> {
  nats.subscribe("parl.observe.region", {
    callback: (_, message) => {
      asked += 1;
      if (asked > silent) message.respond(JSON.stringify({ region: "eu", members: [] }));
    },
  });
  await nats.flush();
}

it("asks once when it is answered, for all who want to know meanwhile", async () => {
  await answerAfter(0);
  const [one, other] = await Promise.all([home.observeRegion(), home.observeRegion()]);
  expect(one).toEqual({ region: "eu", members: [] });
  expect(other).toBe(one);
  expect(asked).toBe(1);
});

it("asks again, of whoever the server chooses, when the first process asked is silent", async () => {
  await answerAfter(1);
  expect(await home.observeRegion()).toEqual({ region: "eu", members: [] });
  expect(asked).toBe(2);
});

it("gives up within its deadline when nobody answers", async () => {
  await answerAfter(Infinity);
  const startedMs = performance.now();
  await expect(home.observeRegion()).rejects.toMatchObject({ code: "PARL_DEADLINE_EXCEEDED" });
  const tookMs = performance.now() - startedMs;
  expect(tookMs).toBeGreaterThanOrEqual(DEADLINE_MS - 50);
  expect(tookMs).toBeLessThan(DEADLINE_MS + SLACK_MS);
  expect(asked).toBe(2);
});

it("knows at once that nobody is there", async () => {
  await expect(home.observeRegion()).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
  expect(asked).toBe(0);
});
