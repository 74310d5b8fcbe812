import { afterEach, describe, expect, it } from "vitest";
import { PublishedBackend } from "../../../bench/lab/published-backend.ts";
import { PUBLISHED, type AskUnit } from "../../../bench/lab/published-limiters.ts";
import { TraceClock } from "../../../bench/lab/trace-clock.ts";
import { drive } from "../../../bench/driver.ts";
import { EventColumns } from "../../../bench/events.ts";
import { START_US } from "../../../bench/trace.ts";

const realNow = Date.now;
afterEach(() => {
  Date.now = realNow;
});

const nowUs = (): number => performance.now() * 1_000;
const failing: AskUnit = (_key, _answered, failed) => failed(new Error("no more"));

function events(...afterMs: number[]): EventColumns {
  const columns = new EventColumns();
  for (const ms of afterMs) columns.push(START_US + ms * 1_000, 0, 1);
  return columns;
}

describe("a published limiter in the driver", () => {
  it.each(["rate-limiter-flexible", "express-rate-limit"] as const)(
    "decides by %s at the moment of every event, all submitted at once",
    async (name) => {
      const asked = events(0, 1, 999, 1_000, 1_001, 1_002, 2_500);
      const clock = new TraceClock();
      const ask = await PUBLISHED[name].open({ limit: 2, windowUs: 1_000_000 });
      const named = { events: asked, names: ["alice"] };
      const backend = new PublishedBackend(named, clock, { ask, isRemote: false });
      const { admitted } = await drive(asked, backend, { pace: "max", nowUs });
      expect([...admitted]).toEqual([1, 1, 0, 1, 1, 0, 1]);
    },
  );

  it("ends the run with what the package failed with", async () => {
    const named = { events: events(0), names: ["alice"] };
    const backend = new PublishedBackend(named, new TraceClock(), { ask: failing, isRemote: true });
    backend.submit(0, 1, { decided: () => undefined });
    await expect(backend.turn()).rejects.toThrow("no more");
  });
});

describe("the trace's clock", () => {
  it("is Date.now from then on, in whole milliseconds, and stands still", () => {
    const clock = new TraceClock();
    clock.set(START_US + 1_999);
    expect(Date.now()).toBe(START_US / 1_000 + 1);
    clock.set(START_US);
    expect(Date.now()).toBe(START_US / 1_000);
  });
});
