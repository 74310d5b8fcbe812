import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { PolicyFileError } from "../../admission/policy-file-error.ts";
import type { PolicyDocument } from "../../admission/policy.ts";

function outcomeOf(text: string, source: string): PolicyDocument | PolicyFileError {
  try {
    return parsePolicyText(text, source);
  } catch (error) {
    if (error instanceof PolicyFileError) return error;
    throw error;
  }
}

/** The document, or what is wrong with it apart from the file's name. */
function tellingOf(text: string, source: string): unknown {
  const outcome = outcomeOf(text, source);
  return outcome instanceof PolicyFileError ? outcome.problems : outcome;
}

describe("parsePolicyText", () => {
  it("says where a key stands twice, in either language", () => {
    const yaml = outcomeOf("version: 1\nversion: 1\npolicies:\n  - { 42: 1, '42': 2 }\n", "p.yaml");
    expect(yaml).toMatchObject({
      problems: [
        { path: "line 2, column 1", rule: 'repeats the key "version"' },
        { path: "line 4, column 14", rule: 'repeats the key "42"' },
      ],
    });
    // The same key in another mapping, and braces inside a string, are nothing to complain about.
    const json = outcomeOf('{ "version": 1,\n"a": "{,\\"", "b": [{ "a": "a" }],\n  "\\u0061": 2 }', "p.json");
    expect(json).toMatchObject({ problems: [{ path: "line 3, column 3", rule: 'repeats the key "a"' }] });
  });

  it("reads JSON the same way by either reader", () => {
    const policies = fc.record({ version: fc.constant(1), policies: fc.array(fc.jsonValue()) });
    const indent = fc.constantFrom("", "  ", "\t");
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), policies), indent, (input, space) => {
        fc.pre(input !== null);
        const text = JSON.stringify(input, null, space);
        expect(tellingOf(text, "p.yaml")).toStrictEqual(tellingOf(text, "p.json"));
      }),
      { numRuns: 500 },
    );
  });

  it("reads or refuses any text, in either language", () => {
    const line = fc.constantFrom(
      "version: 1",
      "policies:",
      "  - name: a",
      "  - {",
      "}",
      "\t- a",
      "&a [*a]",
      "? x",
      "!t y",
      "'",
      '"',
      "%YAML 1.1",
      "---",
      "<<: {a: 1}",
    );
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(line).map((lines) => lines.join("\n")),
    );
    fc.assert(
      fc.property(text, fc.constantFrom("p.yaml", "p.json"), (anyText, source) => {
        expect(outcomeOf(anyText, source)).toBeTypeOf("object");
      }),
      { numRuns: 1_000 },
    );
  });
});
