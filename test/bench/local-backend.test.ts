import { describe, expect, it } from "vitest";
import { drive } from "../../bench/driver.ts";
import { nameKeys } from "../../bench/events.ts";
import { LocalBackend } from "../../bench/local-backend.ts";
import { micros } from "../../core/units.ts";
import { eventsOf, SMALL_HEADER } from "./small-trace.ts";

describe("the local backend", () => {
  it("holds keys through the trace, for they owe all that they can", async () => {
    const events = eventsOf(SMALL_HEADER);
    const names = nameKeys(events, SMALL_HEADER.keys);
    // A unit is paid off in a millisecond, a whole limit in an hour.
    const hourly = { algorithm: "gcra", limit: 3_600_000, windowUs: micros(3_600_000_000) } as const;
    const backend = new LocalBackend({ events, names }, hourly, 1);
    await backend.hold(2_000, events.atUs[0]!, () => undefined);
    await drive(events, backend, { pace: "max", nowUs: () => performance.now() * 1_000 });
    expect((await backend.footprint()).liveKeys).toBeGreaterThanOrEqual(2_000);
  });
});
