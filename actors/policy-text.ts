/**
 * From the text of a policy file to a `PolicyDocument`: JSON where the name ends in .json, else YAML (which
 * contains JSON).
 *
 * Both readers are stricter than their libraries. Equal keys are an error, not "the last one wins"; they
 * are found here with one set per mapping, because the YAML library compares all pairs of keys, which takes
 * minutes for 1 MiB. YAML's aliases are refused: with them a small file becomes an endless document.
 *
 * Cost: about 0.25 ms a policy in YAML, 0.02 ms in JSON, which is the one to generate thousands in.
 */
import { isScalar, LineCounter, parseDocument, visit, type ErrorCode } from "yaml";
import { PolicyFileError } from "../admission/policy-file-error.ts";
import type { PolicyProblem } from "../admission/policy-problem.ts";
import { parsePolicies } from "../admission/policy-schema.ts";
import type { PolicyDocument } from "../admission/policy.ts";
import { shown } from "../core/errors.ts";

const EXAMPLE_FIX = "deploy/policies/default.yaml shows the format";
const YAML_FIXES = new Map<ErrorCode, string>([
  ["MULTIPLE_DOCS", "keep one document, without a second ---"],
  ["RESOURCE_EXHAUSTION", "nest less deeply"],
  ["TAB_AS_INDENT", "indent with spaces"],
]);

/** Throws nothing but PolicyFileError; `source` is the file's name. */
export function parsePolicyText(text: string, source: string): PolicyDocument {
  const problems: PolicyProblem[] = [];
  let input: unknown;
  if (text.startsWith("\uFEFF")) {
    problems.push(problem("", "starts with a byte order mark", "save it as UTF-8 without one"));
  } else if (text.trim() === "") {
    problems.push(problem("", "is empty", EXAMPLE_FIX));
  } else {
    input = source.endsWith(".json") ? readJson(text, problems) : readYaml(text, problems);
  }
  if (problems.length > 0) throw new PolicyFileError(source, problems);
  return parsePolicies(input, source);
}

function readYaml(text: string, problems: PolicyProblem[]): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    logLevel: "error",
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: false,
  });
  for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
    const fix = YAML_FIXES.get(code) ?? EXAMPLE_FIX;
    problems.push(problem(placeOf(pos[0], lines), `cannot be read as YAML (${message})`, fix));
  }
  if (document.contents === null) problems.push(problem("", "is empty", EXAMPLE_FIX));
  if (problems.length > 0) return undefined;
  visit(document, {
    Alias(_key, { source, range }) {
      const rule = `is an alias (*${source}), and aliases are not read`;
      problems.push(problem(placeOf(range?.[0], lines), rule, "write the value out"));
    },
    Map(_key, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) problems.push(equalKey(placeOf(key.range?.[0], lines), String(key.value)));
        seen.add(key.value);
      }
    },
  });
  return problems.length > 0 ? undefined : document.toJS();
}

function readJson(text: string, problems: PolicyProblem[]): unknown {
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch (error) {
    problems.push(problem("", `cannot be read as JSON (${String(error)})`, EXAMPLE_FIX));
    return undefined;
  }
  const lines = new LineCounter();
  for (const { index } of text.matchAll(/^/gm)) lines.addNewLine(index);
  const mappings: Set<string>[] = [];
  // Of valid JSON, strings and braces are all there is to look at.
  for (const { 0: token, 1: key, 2: colon, index } of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}]/g)) {
    if (token === "{") mappings.push(new Set());
    else if (token === "}") mappings.pop();
    else if (key !== undefined && colon !== undefined) {
      const name = String(JSON.parse(key));
      const seen = mappings.at(-1);
      if (seen?.has(name)) problems.push(equalKey(placeOf(index, lines), name));
      seen?.add(name);
    }
  }
  return input;
}

function equalKey(path: string, key: string): PolicyProblem {
  return problem(path, `repeats the key ${shown(key)}`, "keep one of them");
}

function problem(path: string, rule: string, fix: string): PolicyProblem {
  return { path, value: undefined, rule, fix };
}

function placeOf(offset = 0, lines: LineCounter): string {
  const { line, col } = lines.linePos(offset);
  return `line ${line}, column ${col}`;
}
