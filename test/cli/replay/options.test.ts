import { describe, expect, it } from "vitest";
import { UsageError } from "../../../cli/flags.ts";
import { parseReplayOptions } from "../../../cli/replay/options.ts";

const parse = (...argv: string[]) => parseReplayOptions(argv, {});

function usageError(...argv: string[]): string {
  try {
    parse(...argv);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return "parsed";
}

describe("the flags of parl replay", () => {
  it("replay a log by address, as fast as it goes, unless told otherwise", () => {
    expect(parse("a.log")).toMatchObject({
      file: "a.log",
      factor: Infinity,
      mapping: { tenant: ["weblog"], key: "ip", user: null },
      requestsMax: Infinity,
      top: 10,
      isOffline: false,
    });
  });

  it("choose fields, tenants and speed", () => {
    const { mapping, factor } = parse(
      "a.log",
      "--tenant",
      "a, b",
      "--key=path",
      "--user",
      "user",
      "--speed",
      "2.5",
    );
    expect(mapping).toEqual({ tenant: ["a", "b"], key: "path", user: "user" });
    expect(factor).toBe(2.5);
    expect(parse("a.log", "--tenant=@method", "--speed", "real")).toMatchObject({
      mapping: { tenant: "method" },
      factor: 1,
    });
  });

  it.each([
    [[], "<log> is missing"],
    [["a.log", "--speed", "0"], "--speed must be real, max or a factor above 0 such as 60"],
    [["a.log", "--speed=-1"], "--speed must be"],
    [["a.log", "--speed=1e9"], "--speed must be"],
    [
      ["a.log", "--key", "host"],
      '--key must be a field (ip, user, ident, agent, referer, method, path, target, status), got "host"',
    ],
    [["a.log", "--key", "none"], "--key must be a field"],
    [["a.log", "--tenant", "a,,b"], "--tenant takes different names"],
    [["a.log", "--tenant", "a,a"], "--tenant takes different names"],
    [["a.log", "--tenant", "@host"], "--tenant must be a field"],
    [["a.log", "--limit", "0"], "--limit must be a whole number of at least 1"],
    [["a.log", "--regions", "eu"], "--regions takes entries like"],
    [["a.log", "--record", "d"], "--record needs --policies"],
    [["a.log", "--policies", "p"], "--policies says nothing without"],
    [["a.log", "--oracle"], "--oracle needs --offline"],
  ])("refuse %j", (argv, message) => {
    expect(usageError(...argv)).toContain(message);
  });
});
