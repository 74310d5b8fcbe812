import { describe, expect, expectTypeOf, it } from "vitest";
import { helpText, parseFlags, UsageError, wholeNumber, type FlagTable } from "../../cli/flags.ts";

const FLAGS = {
  speed: { type: "string", short: "s", value: "real|max", default: "max", about: "How fast." },
  regions: { type: "string", value: "<list>", env: "PARL_REGIONS", about: "Where to." },
  json: { type: "boolean", about: "Print JSON." },
} as const satisfies FlagTable;

function usageError(argv: readonly string[], positionals?: readonly string[]): string {
  try {
    parseFlags(argv, FLAGS, {}, positionals);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return "parsed";
}

describe("flags", () => {
  it("come from the command line, else the environment, else their default", () => {
    const { flags, positionals } = parseFlags(["a.log", "-s", "real", "--json"], FLAGS, {}, ["<log>"]);
    expect(flags).toEqual({ speed: "real", regions: undefined, json: true });
    expect(positionals).toEqual(["a.log"]);
    expectTypeOf(flags).toEqualTypeOf<{
      readonly speed: string;
      readonly regions: string | undefined;
      readonly json: boolean;
    }>();
    expect(parseFlags([], FLAGS, { PARL_REGIONS: "eu" }).flags).toEqual({
      speed: "max",
      regions: "eu",
      json: false,
    });
    expect(parseFlags(["--regions=us"], FLAGS, { PARL_REGIONS: "eu" }).flags.regions).toBe("us");
    expect(parseFlags([], FLAGS, { PARL_REGIONS: "" }).flags.regions).toBeUndefined();
  });

  it("leave everything behind -- alone", () => {
    expect(parseFlags(["--", "--json"], FLAGS, {}, ["<log>"]).positionals).toEqual(["--json"]);
  });

  it.each([
    [["--sped", "max"], "unknown flag --sped"],
    [["-x"], "unknown flag -x"],
    [["--__proto__=1"], "unknown flag --__proto__"],
    [["--constructor"], "unknown flag --constructor"],
    [["--json=yes"], "--json takes no value"],
    [["--speed"], "--speed needs a value, real|max"],
    [["--speed", "--json"], "--speed needs a value, real|max"],
    [["--regions="], "--regions needs a value, <list>"],
    [["a.log"], 'unexpected "a.log"'],
  ])("refuse %j: %s", (argv, message) => {
    expect(usageError(argv)).toBe(message);
  });

  it("name the word that is missing", () => {
    expect(usageError([], ["<log>"])).toBe("<log> is missing");
    expect(usageError([], ["<log>?"])).toBe("parsed");
  });

  it("hold whole numbers only where they should", () => {
    expect(wholeNumber("top", "10", 1)).toBe(10);
    for (const text of ["0", "-1", "1.5", "1e3", "", "ten", "99999999999999999"]) {
      expect(() => wholeNumber("top", text, 1)).toThrow(/^--top must be a whole number of at least 1, got /);
    }
    expect(() => wholeNumber("shards", "65", 1, 64)).toThrow("--shards must be a whole number from 1 to 64");
  });

  it("explain themselves in the help", () => {
    expect(
      helpText({ usage: "parl x [flags]", about: "Does x.", flags: FLAGS, examples: ["parl x --json"] }),
    ).toBe(
      [
        "Usage: parl x [flags]",
        "",
        "Does x.",
        "",
        "Flags:",
        "  -s, --speed real|max  How fast. [default max]",
        "  --regions <list>      Where to. [PARL_REGIONS]",
        "  --json                Print JSON.",
        "  -h, --help            Print this.",
        "",
        "Examples:",
        "  parl x --json",
        "",
      ].join("\n"),
    );
  });
});
