import { describe, expect, it } from "vitest";
import { ERROR_CODES, ERRORS, invalidArgument, ParlError, shown } from "../../core/errors.ts";

describe("the table", () => {
  it.each(ERROR_CODES)("gives %s a name in every protocol", (code) => {
    const { http, grpc, metric, retryable } = ERRORS[code];
    expect(code).toMatch(/^PARL_[A-Z_]+$/);
    expect(metric).toBe(code.slice("PARL_".length).toLowerCase());
    expect(http >= 400 && http <= 599).toBe(true);
    expect(grpc >= 1 && grpc <= 16).toBe(true);
    // Whoever gets a 4xx must change the request; only our own trouble passes.
    expect(retryable).toBe(http === 503 || http === 504);
  });

  it("keeps its order on the wire: new codes go to the end", () => {
    expect(ERROR_CODES).toEqual([
      "PARL_INVALID_ARGUMENT",
      "PARL_MALFORMED",
      "PARL_TOO_LARGE",
      "PARL_NOT_FOUND",
      "PARL_ID_REUSED",
      "PARL_INVALID_POLICY",
      "PARL_INVALID_FILE",
      "PARL_UNSUPPORTED_VERSION",
      "PARL_TIER_UNAVAILABLE",
      "PARL_NOT_OWNER",
      "PARL_OVERLOADED",
      "PARL_UNAVAILABLE",
      "PARL_DEADLINE_EXCEEDED",
      "PARL_INTERNAL",
    ]);
  });

  it("says retryable errors are retryable", () => {
    const answers = (["PARL_OVERLOADED", "PARL_MALFORMED"] as const).map((code) =>
      new ParlError(code, "").isRetryable(),
    );
    expect(answers).toEqual([true, false]);
  });
});

it("carries what it was made of", () => {
  const cause = new Error("below");
  const error = new ParlError("PARL_OVERLOADED", "mailbox full", { field: "shard", retryAfterMs: 5, cause });
  expect(error).toMatchObject({
    name: "ParlError",
    code: "PARL_OVERLOADED",
    message: "mailbox full",
    field: "shard",
    retryAfterMs: 5,
    cause,
  });
  expect("cause" in new ParlError("PARL_INTERNAL", "x")).toBe(false);
});

it("names field, rule and value of an invalid argument", () => {
  expect(invalidArgument("tokens", "a whole number >= 0", -1)).toMatchObject({
    code: "PARL_INVALID_ARGUMENT",
    field: "tokens",
    message: "tokens must be a whole number >= 0, got -1",
  });
});

it("shows any value on one short line", () => {
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  const values: [unknown, string][] = [
    [Number.NaN, "NaN"],
    [Infinity, "Infinity"],
    ["two\nlines", '"two\\nlines"'],
    [undefined, "undefined"],
    [10n, "[object BigInt]"],
    [circular, "[object Object]"],
    [Symbol("s"), "Symbol(s)"],
    ["x".repeat(100), `"${"x".repeat(56)}…`],
  ];
  for (const [value, text] of values) expect(shown(value)).toBe(text);
});
