import { describe, expect, it } from "vitest";
import { parseDuration } from "../../admission/duration.ts";

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
