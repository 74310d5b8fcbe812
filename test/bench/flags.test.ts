import { describe, expect, it } from "vitest";
import { Flags, helpText, type FlagTable } from "../../bench/flags.ts";

const TABLE = {
  rate: { value: "N", about: "requests per second", fallback: "10_000" },
  window: { value: "D", about: "the window" },
  algo: { value: "A", about: "which" },
  json: { about: "as JSON" },
} as const satisfies FlagTable;

const flags = (...args: string[]): Flags => new Flags(TABLE, args);

describe("flags", () => {
  it.each([
    ["10_000", 10_000],
    ["1e6", 1_000_000],
    ["7", 7],
  ])("read the count %s", (text, count) => {
    expect(flags("--rate", text).count("rate", { min: 1 })).toBe(count);
  });

  it.each([
    ["500us", 500],
    ["100ms", 100_000],
    ["1.5s", 1_500_000],
    ["10s", 10_000_000],
    ["1m", 60_000_000],
    ["2h", 7_200_000_000],
    ["1d", 86_400_000_000],
  ])("read the duration %s", (text, us) => {
    expect(flags(`--window=${text}`).durationUs("window")).toBe(us);
  });

  it("fall back to what the table says", () => {
    expect(flags().count("rate", { min: 1 })).toBe(10_000);
    expect(flags().has("rate")).toBe(false);
    expect(flags("--json").has("json")).toBe(true);
  });

  it.each<[string, () => unknown]>([
    [
      '--rate must be a whole number of at least 1, got "0"',
      () => flags("--rate", "0").count("rate", { min: 1 }),
    ],
    [
      '--rate must be a number above 0, got "x"',
      () => flags("--rate", "x").number("rate", { min: Number.MIN_VALUE }),
    ],
    [
      '--rate must be a whole number of at least 1 and at most 5, got "1.5"',
      () => flags("--rate", "1.5").count("rate", { min: 1, max: 5 }),
    ],
    [
      '--window must be a duration above 0 such as 100ms, 10s or 1m, got "0s"',
      () => flags("--window", "0s").durationUs("window"),
    ],
    [
      '--algo must be one of gcra, fixed, got "x"',
      () => flags("--algo", "x").choice("algo", ["gcra", "fixed"]),
    ],
    ["--algo is missing: --algo A (see --help)", () => flags().choice("algo", ["gcra"])],
    ["--fast is not a flag of this command (see --help)", () => flags("--fast")],
    ["--toString is not a flag of this command (see --help)", () => flags("--toString")],
    ["--rate needs a value: N (see --help)", () => flags("--rate")],
    ["--json takes no value (see --help)", () => flags("--json=yes")],
    ["--rate is given twice (see --help)", () => flags("--rate", "1", "--rate", "2")],
    ['"extra" is not a flag (see --help)', () => flags("extra")],
  ])("say: %s", (message, parse) => {
    expect(parse).toThrow(expect.objectContaining({ code: "PARL_INVALID_ARGUMENT", message }));
  });

  it("explain themselves", () => {
    expect(helpText("what it does", TABLE)).toBe(
      "what it does\n\n  --rate N    requests per second [10_000]\n  --window D  the window\n  --algo A    which\n  --json      as JSON\n",
    );
  });
});
