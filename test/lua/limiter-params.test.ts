import { describe, expect, it } from "vitest";
import { micros, US_PER_S } from "../../core/units.ts";
import { REDIS_ALGORITHMS, scriptNumbers, type RedisLimiterParams } from "../../lua/limiter-params.ts";

const DAY_US = 86_400 * US_PER_S;

function params(change: Partial<RedisLimiterParams> = {}): RedisLimiterParams {
  return { algorithm: "gcra", limit: 100, windowUs: micros(60 * US_PER_S), ...change };
}

it("an emission interval is kept in lowest terms", () => {
  expect(scriptNumbers(params())).toEqual({ capacity: 100, interval: 600_000, ticks_per_us: 1 });
  const sevenths = params({ limit: 7, windowUs: micros(US_PER_S), burst: 3 });
  expect(scriptNumbers(sevenths)).toEqual({ capacity: 3, interval: 1_000_000, ticks_per_us: 7 });
});

it("sub-windows are rounded up, so that n + 1 of them cover every span of the window", () => {
  const numbers = scriptNumbers(params({ algorithm: "conservative-window", windowUs: micros(1_000_003) }));
  expect(numbers).toMatchObject({ sub_windows: 10, sub_window_us: 100_001 });
});

it("limit 0 has no rate to divide by", () => {
  for (const algorithm of REDIS_ALGORITHMS) {
    expect(scriptNumbers(params({ algorithm, limit: 0, burst: 5 }))).toMatchObject({ capacity: 0 });
  }
});

describe("what would not be exact is refused", () => {
  it.each(["token-bucket", "leaky-bucket", "leaky-queue", "gcra"] as const)("%s", (algorithm) => {
    // 2^31 − 1 is prime: a day has no divisor in common with it.
    const prime = params({ algorithm, limit: 2 ** 31 - 1, windowUs: micros(DAY_US) });
    expect(() => scriptNumbers(prime)).toThrow(
      expect.objectContaining({ code: "PARL_INVALID_ARGUMENT", field: "limit" }),
    );
    const burst = params({ algorithm, limit: 1, windowUs: micros(DAY_US), burst: 2 ** 31 - 1 });
    expect(() => scriptNumbers(burst)).toThrow(expect.objectContaining({ field: "burst" }));
    // The same rates with a divisor fit.
    expect(scriptNumbers({ ...prime, limit: 2_000_000_000 })).toMatchObject({
      interval: 216,
      ticks_per_us: 5,
    });
  });

  it("a full bucket of 2^51 ticks is the last that fits", () => {
    const bucket = params({ limit: 1, windowUs: micros(2 ** 30) });
    expect(scriptNumbers({ ...bucket, burst: 2 ** 21 })).toMatchObject({ interval: 2 ** 30 });
    expect(() => scriptNumbers({ ...bucket, burst: 2 ** 21 + 1 })).toThrow("at most 2^51");
  });

  it("sliding-window, whose weights are units times microseconds", () => {
    const window = params({ algorithm: "sliding-window", windowUs: micros(2 ** 30) });
    expect(scriptNumbers({ ...window, limit: 2 ** 23 - 1 })).toMatchObject({ capacity: 2 ** 23 - 1 });
    expect(() => scriptNumbers({ ...window, limit: 2 ** 23 })).toThrow(
      expect.objectContaining({ code: "PARL_INVALID_ARGUMENT", field: "limit" }),
    );
  });

  it("but not by algorithms that only count", () => {
    for (const algorithm of ["fixed-window", "sliding-log", "conservative-window"] as const) {
      const largest = params({ algorithm, limit: 2 ** 31 - 1, windowUs: micros(366 * DAY_US) });
      expect(scriptNumbers(largest)).toMatchObject({ capacity: 2 ** 31 - 1 });
    }
  });
});

it.each([
  ["limit", { limit: -1 }],
  ["limit", { limit: 2 ** 31 }],
  ["limit", { limit: 0.5 }],
  ["windowUs", { windowUs: micros(0) }],
  ["windowUs", { windowUs: micros(999) }],
  ["windowUs", { windowUs: micros(367 * DAY_US) }],
  ["burst", { burst: 0 }],
  ["burst", { burst: Number.NaN }],
  ["subWindows", { subWindows: 0 }],
  ["subWindows", { subWindows: 65 }],
  ["algorithm", { algorithm: "magic" as "gcra" }],
])("a %s out of range is named", (field, change) => {
  expect(() => scriptNumbers(params(change))).toThrow(
    expect.objectContaining({ code: "PARL_INVALID_ARGUMENT", field }),
  );
});
