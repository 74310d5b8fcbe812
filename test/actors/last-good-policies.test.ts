import { describe, expect, it } from "vitest";
import { LastGoodPolicies } from "../../actors/last-good-policies.ts";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { PolicyFileError } from "../../admission/policy-file-error.ts";

function textOf(limit: number | string): string {
  return `version: 1\npolicies: [{ name: a, dimension: key, algorithm: gcra, limit: ${limit}, window: 1s }]\n`;
}

const good = parsePolicyText(textOf(1), "p.yaml");

describe("LastGoodPolicies", () => {
  it("gives the first reading, and a different one", () => {
    const policies = new LastGoodPolicies("p.yaml");
    expect(policies.read(textOf(1))).toStrictEqual(good);
    expect(policies.read(textOf(2))).toMatchObject({ policies: [{ limit: 2 }] });
    expect(policies.read(textOf(1))).toStrictEqual(good);
  });

  it("gives nothing for the same text, nor for other text that says the same", () => {
    const policies = new LastGoodPolicies("p.yaml", good);
    expect(policies.read(textOf(1))).toBeUndefined();
    expect(policies.read(textOf(1))).toBeUndefined();
    expect(policies.read(`# A remark.\n${textOf(1)}`)).toBeUndefined();
  });

  it("gives an error once, with all problems, and again when it is another one", () => {
    const policies = new LastGoodPolicies("p.yaml", good);
    expect(policies.read(textOf(-1))).toMatchObject({ problems: [{ path: "policies[0].limit", value: -1 }] });
    expect(policies.read(textOf(-1))).toBeUndefined();
    expect(policies.read(`# A remark.\n${textOf(-1)}`)).toBeUndefined();
    expect(policies.read("version: 2")).toMatchObject({
      problems: [{ path: "version" }, { path: "policies" }],
    });
  });

  it("tells the end of an error, even where the document is the old one", () => {
    const policies = new LastGoodPolicies("p.yaml", good);
    const missing = new PolicyFileError("p.yaml", [
      { path: "", value: undefined, rule: "is missing", fix: "" },
    ]);
    expect(policies.read(textOf(1))).toBeUndefined();
    expect(policies.read(missing)).toBe(missing);
    expect(policies.read(textOf(1))).toStrictEqual(good);
    expect(policies.read("tab:\t- x: [")).toBeInstanceOf(PolicyFileError);
    expect(policies.read(textOf(1))).toStrictEqual(good);
    expect(policies.read(textOf(1))).toBeUndefined();
  });
});
