import { describe, expect, it } from "vitest";
import { ParlError } from "../../core/errors.ts";
import {
  DecisionLogReader,
  renderDecisionLog,
  type DecisionLog,
  type DecisionRow,
} from "../../sim/decision-log.ts";

const row = (region: string, sequence: number, rest: Partial<DecisionRow> = {}): DecisionRow => ({
  nowUs: 1_700_000_000_000_000 + sequence,
  sequence,
  region,
  atUs: 1_431_857_103_000_000,
  tenant: "web",
  key: '10.0.0.1 "\u0000',
  user: null,
  cost: 1,
  outcome: "allowed",
  policy: "per-key",
  remaining: 4,
  retryAfterUs: 0,
  blind: false,
  ...rest,
});

const log: DecisionLog = {
  accessLogSha256: "abc",
  policies: "policies: []\n# to the letter\n",
  rows: [
    row("eu", 1),
    row("eu", 0),
    row("ap", 7, { outcome: "unsatisfiable", retryAfterUs: null, policy: null }),
  ],
  unanswered: 2,
};

function read(lines: readonly string[]): DecisionLog {
  const reader = new DecisionLogReader();
  reader.push(new TextEncoder().encode(lines.join("")));
  return reader.end();
}

function codeOf(lines: readonly string[]): string {
  try {
    read(lines);
  } catch (error) {
    if (error instanceof ParlError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "read";
}

describe("a decision log", () => {
  const lines = [...renderDecisionLog(log)];

  it("comes back as it was written, in order of decision", () => {
    const order = [log.rows[2], log.rows[1], log.rows[0]];
    expect(read(lines)).toEqual({ ...log, rows: order });
  });

  it("that was cut short is refused wherever the cut is", () => {
    for (let kept = 0; kept < lines.length; kept += 1) {
      expect(codeOf(lines.slice(0, kept))).toMatch(/^PARL_INVALID_FILE: /);
    }
    expect(codeOf(lines.slice(0, 3))).toContain("cut short: 2 rows and no end");
    expect(codeOf([...lines.slice(0, 2), ...lines.slice(3)])).toContain("2 rows and 3 rows promised");
    expect(codeOf([...lines.slice(0, 2), lines[2]?.slice(0, 20) ?? ""])).toContain("line 3");
  });

  it("of another version is refused by its number", () => {
    const next = lines[0]?.replace('"decisionLog":1', '"decisionLog":2') ?? "";
    expect(codeOf([next, ...lines.slice(1)])).toBe(
      "PARL_UNSUPPORTED_VERSION: this is decision log version 2, and only version 1 is understood here",
    );
  });

  it.each([
    ["{}", "no decision log"],
    ["null", "no decision log"],
    ["127.0.0.1 - - [", "line 1 of the decision log is not JSON"],
  ])("is not what a file is that starts with %j", (first, message) => {
    expect(codeOf([first])).toContain(message);
  });

  it("with a broken row is refused, naming the line and the field", () => {
    const broken = lines[1]?.replace('"outcome":"unsatisfiable"', '"outcome":"maybe"') ?? "";
    expect(codeOf([lines[0] ?? "", broken])).toMatch(/line 2 .* outcome: /);
    expect(codeOf([...lines, lines[1] ?? ""])).toContain("after its end");
  });
});
