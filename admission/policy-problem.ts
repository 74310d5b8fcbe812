/**
 * One thing that is wrong with a policy file, in the words of the file: zod's issues, told as where, what
 * stands there, what must, and the way out.
 */
import type { z } from "zod";
import { nearestName } from "./nearest-name.ts";

export interface PolicyProblem {
  /** `policies[3].window`; `line 3, column 5` where the text itself is broken; empty for the whole file. */
  readonly path: string;
  /** What stands there; undefined is nothing. */
  readonly value: unknown;
  /** What has to hold there. */
  readonly rule: string;
  /** The way out; empty where the rule already says it. */
  readonly fix: string;
}

type Path = readonly PropertyKey[];
/** The names that are known at a place, so that a misspelt one can be told its neighbour. */
type KnownFields = (path: Path) => readonly string[];

export function problemsOf(error: z.ZodError, input: unknown, knownFields: KnownFields): PolicyProblem[] {
  const fromIssue = (issue: z.core.$ZodIssue, parent: Path): PolicyProblem[] => {
    const path = [...parent, ...issue.path];
    const value = valueAt(input, path);
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => unknownField([...path, key], valueAt(value, [key]), knownFields(path)));
    }
    if (issue.code === "invalid_union") {
      // The unions of the schema are "one or a list", in this order.
      const branch = issue.errors[Array.isArray(value) ? 1 : 0] ?? [];
      return branch.flatMap((nested) => fromIssue(nested, path));
    }
    return [{ path: pathText(path), value, rule: issue.message, fix: fixOf(issue, value) }];
  };
  return error.issues.flatMap((issue) => fromIssue(issue, []));
}

function unknownField(path: Path, value: unknown, known: readonly string[]): PolicyProblem {
  const nearest = nearestName(String(path.at(-1)), known);
  const fix = nearest === undefined ? `the fields here are ${known.join(", ")}` : `did you mean ${nearest}?`;
  return { path: pathText(path), value, rule: "is not a field here", fix };
}

function fixOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === "custom" && issue.params) return String(issue.params["fix"]);
  if (value === undefined) return "it is missing";
  if (value === null) return "nothing is written there: give it a value, or leave the field out";
  if (issue.code === "invalid_value" && typeof value === "string") {
    const nearest = nearestName(value, issue.values.map(String));
    return nearest === undefined ? "" : `did you mean ${nearest}?`;
  }
  if (issue.code !== "invalid_type") return "";
  if (issue.expected === "string" && (typeof value === "number" || typeof value === "boolean")) {
    return `write it in quotes: "${value}"`;
  }
  const number = issue.expected === "number" ? numberIn(value) : undefined;
  return number === undefined ? "" : `write ${number}, without quotes or separators`;
}

/** The whole number somebody meant by "100", "1_000" or "1,000". */
export function numberIn(value: unknown): string | undefined {
  const digits = typeof value === "string" ? value.replaceAll(/[_,\s]/g, "") : "";
  return /^\d{1,15}$/.test(digits) ? digits : undefined;
}

function valueAt(input: unknown, path: Path): unknown {
  let value = input;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}

/** `policies[3].match.tenant[0]`, `tenants["a b"].plan`. */
function pathText(path: Path): string {
  const text = path.map((step) => {
    if (typeof step === "number") return `[${step}]`;
    const name = String(step);
    return /^[A-Za-z_][\w-]{0,63}$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
  });
  return text.join("").replace(/^\./, "");
}
