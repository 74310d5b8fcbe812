import { describe, expect, it } from "vitest";
import { PolicyFileError } from "../../admission/policy-file-error.ts";
import type { PolicyProblem } from "../../admission/policy-problem.ts";

const problem: PolicyProblem = {
  path: "policies[0].limit",
  value: "1",
  rule: "must be whole",
  fix: "write 1",
};

describe("PolicyFileError", () => {
  it("tells a single problem in one line: where, the rule, the value, the way out", () => {
    const error = new PolicyFileError("p.yaml", [problem]);
    expect(error.message).toBe('p.yaml: policies[0].limit must be whole, got "1"; write 1');
    expect(error).toMatchObject({
      code: "PARL_INVALID_POLICY",
      field: "policies[0].limit",
      problems: [problem],
    });
  });

  it("leaves out what is not there", () => {
    const error = new PolicyFileError("p.yaml", [{ path: "", value: undefined, rule: "is empty", fix: "" }]);
    expect(error.message).toBe("p.yaml: is empty");
  });

  it("quotes twenty of many problems and keeps all of them", () => {
    const error = new PolicyFileError(
      "p.yaml",
      Array.from({ length: 1_000 }, () => problem),
    );
    const lines = error.message.split("\n");
    expect(lines).toHaveLength(22);
    expect(lines[0]).toBe("p.yaml has 1000 problems:");
    expect(lines.at(-1)).toBe("  and 980 more");
    expect(error.problems).toHaveLength(1_000);
  });
});
