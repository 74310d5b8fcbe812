import { describe, expect, it } from "vitest";
import { verdictOf, type EndedRun } from "../../../sim/mutants/verdict.ts";

type Test = readonly [status: "passed" | "failed" | "pending", failure?: string];

/** A run of one file of tests called "test 0" … */
function run(tests: readonly Test[], over: Partial<EndedRun & { message: string }> = {}): EndedRun {
  const assertionResults = tests.map(([status, failure], index) => ({
    fullName: `test ${index}`,
    status,
    failureMessages: failure === undefined ? [] : [failure],
  }));
  const { message = "", ...rest } = over;
  const isRed = message !== "" || tests.some(([status]) => status === "failed");
  return {
    report: { testResults: [{ name: "some.test.ts", message, assertionResults }] },
    how: isRed ? 1 : 0,
    lastWords: "the end",
    ...rest,
  };
}

describe("a bug is caught", () => {
  it.each([
    "AssertionError: expected 4 to be 3 // Object.is equality\n    at some.test.ts:1:1",
    "ParlError: a page is out of order\n    at PageWindow.ack",
    "TypeError: Cannot read properties of undefined (reading 'left')",
    "Error: Property failed after 3 tests\n{ seed: 1 }\nCounterexample: []\nGot AssertionError: expected 1 to be 2",
    `SyntaxError: Unexpected token 'x', "x" is not valid JSON\n    at JSON.parse`,
  ])("by a test that failed with %j", (failure) => {
    expect(verdictOf(run([["passed"], ["failed", failure], ["pending"]]))).toEqual({
      outcome: "caught",
      by: "test 1",
    });
  });

  it("by the first failure that tells something", () => {
    const tests: readonly Test[] = [
      ["failed", "ReferenceError: x is not defined"],
      ["failed", "AssertionError: no"],
    ];
    expect(verdictOf(run(tests))).toEqual({ outcome: "caught", by: "test 1" });
  });
});

describe("a bug has survived", () => {
  it("when tests ran and all are green", () => {
    expect(verdictOf(run([["passed"], ["passed"]]))).toEqual({ outcome: "survived" });
  });
});

describe("nothing can be said", () => {
  it.each([
    "ReferenceError: nowUz is not defined\n    at admission/balance.ts:1:1",
    "SyntaxError: Unexpected token '}'",
    "Error: Property failed after 1 tests\nGot ReferenceError: x is not defined",
    "Error: Property failed after 1 tests\n\nCaused by: ReferenceError: x is not defined",
    "Error: Test timed out in 30000ms.\nIf this is a long-running test, …",
    "Error: Hook timed out in 10000ms.",
  ])("when all that failed is %j", (failure) => {
    const verdict = verdictOf(run([["passed"], ["failed", failure]]));
    expect(verdict).toMatchObject({ outcome: "unclear", why: expect.stringMatching(/^test 1: /) as unknown });
  });

  it("when a file does not load, whatever else failed; in one line, and without colours", () => {
    const message = "Transform failed:\n\u001B[31m[PARSE_ERROR]\u001B[0m   Expected a semicolon";
    const verdict = verdictOf(run([["failed", "AssertionError: no"]], { message }));
    const why = "some.test.ts does not load: Transform failed: [PARSE_ERROR] Expected a semicolon";
    expect(verdict).toEqual({ outcome: "unclear", why });
  });

  it("when no test ran", () => {
    const nothing = { outcome: "unclear", why: "no test ran" };
    expect(verdictOf(run([]))).toEqual(nothing);
    expect(verdictOf(run([["pending"]]))).toEqual(nothing);
  });

  it("when the run ended badly although no test failed", () => {
    const why = "no test failed, and yet it ended with 1: the end";
    expect(verdictOf(run([["passed"]], { how: 1 }))).toEqual({ outcome: "unclear", why });
  });

  it("when there is no report", () => {
    const why = "no report, ended with SIGKILL: the end";
    expect(verdictOf(run([], { report: undefined, how: "SIGKILL" }))).toEqual({ outcome: "unclear", why });
  });
});
