import { describe, expect, it } from "vitest";
import type { AlgorithmName, AlgorithmParams } from "../../algorithms/algorithm.ts";
import { AccuracyMeter, type Accuracy, type EnvelopeKind } from "../../bench/accuracy.ts";
import type { EventColumns } from "../../bench/events.ts";
import { START_US } from "../../bench/trace.ts";
import { micros } from "../../core/units.ts";
import { columns } from "./small-trace.ts";

function measure(
  events: EventColumns,
  params: AlgorithmParams,
  isAdmitted: (index: number) => boolean,
  kind?: EnvelopeKind,
): Accuracy {
  const meter = new AccuracyMeter(events, 10, params, kind);
  for (let index = 0; index < events.count; index += 1) meter.observe(index, isAdmitted(index));
  return meter.result();
}

function ten(algorithm: AlgorithmName, burst?: number): AlgorithmParams {
  const required = { algorithm, limit: 10, windowUs: micros(1_000_000) };
  return burst === undefined ? required : { ...required, burst };
}

/** One key asks for a unit every 20 ms for two seconds: 50 in any window, five times the limit. */
const storm = columns(Array.from({ length: 100 }, (_, index) => [index * 20_000, 3, 1] as const));

describe("accuracy against the window", () => {
  it("of a limiter that admits everything is the excess of the worst window", () => {
    expect(measure(storm, ten("fixed-window"), () => true)).toEqual({
      overAdmitPct: 400,
      underAdmitPct: 0,
      worst: { key: 3, endUs: START_US + 49 * 20_000 },
    });
  });

  it("of a limiter that denies everything is the whole offer", () => {
    expect(measure(storm, ten("sliding-log"), () => false)).toEqual({
      overAdmitPct: 0,
      underAdmitPct: 100,
      worst: null,
    });
  });

  it("counts a refusal only where there was room", () => {
    // Room for 10; the first 4 are refused, the next 10 admitted, the rest rightly refused until 1.08 s.
    const burst = columns(Array.from({ length: 40 }, (_, index) => [index * 1_000, 0, 1] as const));
    expect(measure(burst, ten("sliding-log"), (index) => index >= 4 && index < 14).underAdmitPct).toBe(10);
  });

  it("weighs a refusal by its cost", () => {
    const events = columns([
      [0, 0, 8],
      [1, 0, 2],
      [2, 0, 10],
    ]);
    // The 2 would have fitted, the 10 would not.
    expect(measure(events, ten("sliding-log"), (index) => index === 0).underAdmitPct).toBe(10);
  });

  it("has a unit leave exactly one window later", () => {
    const overAdmitPct = [999_999, 1_000_000].map((laterUs) => {
      const twice = columns([
        [7, 0, 10],
        [7 + laterUs, 0, 10],
      ]);
      return measure(twice, ten("sliding-window"), () => true).overAdmitPct;
    });
    expect(overAdmitPct).toEqual([100, 0]);
  });

  it("keeps keys apart and reports the worst", () => {
    const events = columns([
      [0, 1, 10],
      [0, 2, 10],
      [1, 2, 5],
    ]);
    expect(measure(events, ten("fixed-window"), () => true)).toMatchObject({
      overAdmitPct: 50,
      worst: { key: 2, endUs: START_US + 1 },
    });
  });
});

describe("accuracy against the bucket", () => {
  it("of a limiter that admits everything is what the burst would have had to be more", () => {
    // 100 units over 1.98 s leak 19.8: the level reaches 80.2, 75.2 above a burst of 5.
    expect(measure(storm, ten("gcra", 5), () => true)).toMatchObject({
      overAdmitPct: expect.closeTo((100 * 75.2) / 5, 9),
      underAdmitPct: 0,
    });
  });

  it("of a limiter that denies everything is the whole offer", () => {
    expect(measure(storm, ten("token-bucket", 5), () => false).underAdmitPct).toBe(100);
  });

  it("is exact to the microsecond where the emission interval is no whole number", () => {
    const three = { algorithm: "gcra", limit: 3, windowUs: micros(1_000_000), burst: 1 } as const;
    const overAdmitPct = [333_333, 333_334].map((atUs) => {
      const twice = columns([
        [0, 0, 1],
        [atUs, 0, 1],
      ]);
      return measure(twice, three, () => true).overAdmitPct;
    });
    // A third of a tick: 1 µs of the rate is 3/1,000,000 of a unit, and a third of that is missing.
    expect(overAdmitPct).toEqual([expect.closeTo(1e-4, 9), 0]);
  });

  it("can be chosen for any algorithm", () => {
    const twice = columns([
      [0, 0, 10],
      [999_999, 0, 9],
    ]);
    expect(measure(twice, ten("gcra"), () => true, "window").overAdmitPct).toBe(90);
    expect(measure(twice, ten("sliding-log"), () => true, "bucket").overAdmitPct).toBe(0);
  });

  it("refuses what it could not count exactly", () => {
    const day = { algorithm: "gcra", limit: 1_000_003, windowUs: micros(86_400_000_000) } as const;
    const events = columns([[0, 0, 1_000_000]]);
    expect(() => measure(events, day, () => true)).toThrow(expect.objectContaining({ field: "window" }));
  });
});

it("of no events at all is perfect", () => {
  expect(measure(columns([]), ten("gcra"), () => true)).toEqual({
    overAdmitPct: 0,
    underAdmitPct: 0,
    worst: null,
  });
});
