import { describe, expect, it } from "vitest";
import type { Decider, VerdictSink } from "../../bench/backend.ts";
import { drive } from "../../bench/driver.ts";
import type { EventColumns } from "../../bench/events.ts";
import { RunTally } from "../../bench/run-tally.ts";
import { columns } from "./small-trace.ts";

/** A clock that moves a little whenever somebody looks, and more when somebody works. */
class WorkClock {
  #us = 0;
  readonly nowUs = (): number => (this.#us += 0.25);
  work(us: number): void {
    this.#us += us;
  }
}

/** Admits even events; takes `workUs` for each, or what `stalls` says of it. */
class SyncBackend implements Decider {
  readonly batches: number[] = [];
  readonly #clock: WorkClock;
  readonly #stalls: ReadonlyMap<number, number>;

  constructor(clock: WorkClock, stalls: ReadonlyMap<number, number> = new Map()) {
    this.#clock = clock;
    this.#stalls = stalls;
  }

  submit(from: number, to: number, sink: VerdictSink): void {
    this.batches.push(to - from);
    for (let index = from; index < to; index += 1) {
      this.#clock.work(this.#stalls.get(index) ?? 1);
      sink.decided(index, index % 2 === 0);
    }
  }
}

/** Answers one event a turn, the last submitted first. */
class LateBackend extends SyncBackend {
  readonly #waiting: (() => void)[] = [];

  override submit(from: number, to: number, sink: VerdictSink): void {
    this.batches.push(to - from);
    for (let index = from; index < to; index += 1)
      this.#waiting.push(() => sink.decided(index, index % 2 === 0));
  }

  turn(): Promise<void> {
    this.#waiting.pop()?.();
    return Promise.resolve();
  }
}

/** One event every 20 µs. */
function metronome(count: number): EventColumns {
  return columns(Array.from({ length: count }, (_, index) => [index * 20, 0, 1] as const));
}

describe("the open loop", () => {
  it("charges a stall to everything that was due meanwhile", async () => {
    const clock = new WorkClock();
    // One stall of 2 ms is 100 arrivals long; a closed loop would have seen a single slow request in 2,000.
    const backend = new SyncBackend(clock, new Map([[500, 2_000]]));
    const result = await drive(metronome(2_000), backend, { pace: "real", nowUs: clock.nowUs });
    expect(result.p50Us).toBeLessThan(5);
    expect(result.p99Us).toBeGreaterThan(1_500);
    expect(result.p999Us).toBeGreaterThan(1_900);
    expect(Math.max(...backend.batches)).toBeGreaterThan(90);
  });

  it("never submits an event before it is due", async () => {
    const clock = new WorkClock();
    const result = await drive(metronome(1_000), new SyncBackend(clock), {
      pace: "real",
      nowUs: clock.nowUs,
    });
    expect(result.elapsedUs).toBeGreaterThanOrEqual(999 * 20);
    expect(result.decisionsPerS).toBeLessThan(51_000);
  });

  it("waits for answers that come late and out of order", async () => {
    const clock = new WorkClock();
    const result = await drive(metronome(300), new LateBackend(clock), { pace: "real", nowUs: clock.nowUs });
    expect([...result.admitted]).toEqual(
      Array.from({ length: 300 }, (_, index) => (index % 2 === 0 ? 1 : 0)),
    );
    expect(result.denied).toBe(150);
  });

  it("counts along for whoever looks meanwhile, and lets others have a turn between batches", async () => {
    const clock = new WorkClock();
    const tally = new RunTally();
    const seen: number[] = [];
    const breathe = (): Promise<void> => Promise.resolve(void seen.push(tally.allowed + tally.denied));
    const options = { nowUs: clock.nowUs, tally, breathe };
    await drive(metronome(300), new SyncBackend(clock), { ...options, pace: "real" });
    expect([tally.allowed, tally.denied, tally.latency.count]).toEqual([150, 150, 300]);
    expect(seen[0]).toBeLessThan(10);
    await drive(metronome(2_000), new SyncBackend(clock), { ...options, pace: "max", batch: 500 });
    expect(tally.latency.count).toBe(2_300);
    expect(seen.slice(-4)).toEqual([800, 1_300, 1_800, 2_300]);
  });
});

describe("who wants to know each event's own latency", () => {
  it("is told it once, counted from the moment it was due", async () => {
    const clock = new WorkClock();
    const late = new Map<number, number>();
    await drive(metronome(300), new SyncBackend(clock, new Map([[100, 500]])), {
      pace: "real",
      nowUs: clock.nowUs,
      onLatency: (index, latencyUs) => {
        expect(late.has(index)).toBe(false);
        late.set(index, latencyUs);
      },
    });
    expect(late.size).toBe(300);
    expect(late.get(99)).toBeLessThan(5);
    expect(late.get(100)).toBeGreaterThan(499);
    // Due 200 µs after the stall began.
    expect(late.get(110)).toBeGreaterThan(299);
    expect(late.get(110)).toBeLessThan(350);
    expect(late.get(200)).toBeLessThan(5);
  });
});

describe("back to back", () => {
  it("measures service time, whatever the trace's own pace", async () => {
    const clock = new WorkClock();
    const backend = new SyncBackend(clock);
    const result = await drive(metronome(2_500), backend, { pace: "max", nowUs: clock.nowUs });
    expect(backend.batches).toEqual([1_000, 1_000, 500]);
    expect(result.p50Us).toBeCloseTo(1, 2);
    expect(result.p999Us).toBeCloseTo(1, 2);
    expect(result.decisionsPerS).toBeGreaterThan(990_000);
  });

  it("submits the next batch only when the one before is answered", async () => {
    const clock = new WorkClock();
    const backend = new LateBackend(clock);
    const seen: number[] = [];
    const result = await drive(metronome(2_000), backend, {
      pace: "max",
      nowUs: clock.nowUs,
      onProgress: (share) => seen.push(share),
    });
    expect(backend.batches).toEqual([1_000, 1_000]);
    expect(result.denied).toBe(1_000);
    expect(seen.at(-1)).toBe(1);
  });
});
