import { describe, it } from "vitest";
import { startRegion } from "../harness/region.ts";

describe("an actor process", () => {
  it("leaves when asked to twice", async () => {
    const region = await startRegion();
    await Promise.all([region.actor.drain(), region.actor.drain()]);
    await region.actor.closed;
    await region.nats.stop();
  });

  it("leaves although its server has gone", { timeout: 10_000 }, async () => {
    const region = await startRegion();
    await region.nats.kill();
    await region.actor.drain();
    await region.actor.closed;
  });

  it("leaves although its server has frozen", { timeout: 10_000 }, async () => {
    const region = await startRegion();
    region.nats.pause();
    try {
      await region.actor.drain();
      await region.actor.closed;
    } finally {
      await region.nats.stop();
    }
  });
});
