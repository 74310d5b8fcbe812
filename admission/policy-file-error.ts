/** Everything that is wrong with a policy file, at once: whoever repairs it should need one round. */
import { ParlError, shown } from "../core/errors.ts";
import type { PolicyProblem } from "./policy-problem.ts";

/** Problems quoted in the message; `problems` has them all. */
const QUOTED_MAX = 20;

export class PolicyFileError extends ParlError {
  override readonly name = "PolicyFileError";
  /** Invariant: never empty. */
  readonly problems: readonly PolicyProblem[];

  constructor(source: string, problems: readonly PolicyProblem[], cause?: unknown) {
    super("PARL_INVALID_POLICY", describe(source, problems), {
      field: problems[0]?.path || "policies",
      cause,
    });
    this.problems = problems;
  }
}

function describe(source: string, problems: readonly PolicyProblem[]): string {
  const lines = problems.slice(0, QUOTED_MAX).map(sentence);
  if (lines.length === 1) return `${source}: ${lines[0]}`;
  if (problems.length > QUOTED_MAX) lines.push(`and ${problems.length - QUOTED_MAX} more`);
  return `${source} has ${problems.length} problems:\n  ${lines.join("\n  ")}`;
}

function sentence({ path, value, rule, fix }: PolicyProblem): string {
  const got = value === undefined ? "" : `, got ${shown(value)}`;
  return `${path && `${path} `}${rule}${got}${fix && `; ${fix}`}`;
}
