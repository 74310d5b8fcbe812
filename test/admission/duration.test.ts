import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration } from "../../admission/duration.ts";

describe("parseDuration", () => {
  it.each([
    ["250ms", 250_000],
    ["10s", 10_000_000],
    ["5m", 300_000_000],
    ["1h", 3_600_000_000],
    ["366d", 31_622_400_000_000],
    [60, 60_000_000],
    [0, 0],
  ])("reads %s", (written, us) => {
    expect(parseDuration(written)).toBe(us);
  });

  const texts = [
    "",
    "60",
    "1.5s",
    "1e3s",
    "-1s",
    "+1s",
    " 1s",
    "1 s",
    "1s\n",
    "1S",
    "1w",
    "1m30s",
    "٣s",
    "s",
  ];
  it.each(texts)("does not read the text %j", (written) => {
    expect(parseDuration(written)).toBeUndefined();
  });

  it.each([0.5, Number.NaN, Infinity, 1e308, null, undefined, true, [], {}, 5n])(
    "does not read %s",
    (written) => {
      expect(parseDuration(written)).toBeUndefined();
    },
  );
});

describe("formatDuration", () => {
  it.each([
    [0, "0s"],
    [1, "1us"],
    [500, "500us"],
    [1_000, "1ms"],
    [142_858, "142.858ms"],
    [250_000, "250ms"],
    [1_000_000, "1s"],
    [1_428_572, "1.428572s"],
    [1_500_000, "1.5s"],
    [90_000_000, "90s"],
    [600_000_000, "10m"],
    [5_400_000_000, "90m"],
    [86_400_000_000, "1d"],
    [86_400_000_001, "1d 0.000001s"],
    [366 * 86_400_000_000, "366d"],
    [2_147_483_647_000, "24d 20h 31m 23.647s"],
    [1_000_000_000_000, "11d 13h 46m 40s"],
    [3_599_999_999, "59m 59.999999s"],
  ])("writes %i µs as %s", (us, text) => {
    expect(formatDuration(us)).toBe(text);
  });

  it("rounds what is no whole number of microseconds up", () => {
    expect(formatDuration(1_428_571.0000001)).toBe("1.428572s");
    expect(formatDuration(0.1)).toBe("1us");
  });
});
