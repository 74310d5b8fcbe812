/** One row of the matrix: what somebody needs, what to take for it, on what evidence, and why nothing else. */
import type { Statement } from "./statement.ts";

export interface Choice {
  /** Heading and link target; a number in it is the asker's. */
  readonly need: string;
  readonly take: string;
  /** As a policy file has it. */
  readonly policy: string;
  /** In one line of the matrix, with the number that decides. */
  readonly because: Statement;
  readonly evidence: readonly Statement[];
  readonly whyNot: readonly (readonly [string, Statement])[];
}

/** Every experiment that a choice rests on. */
export function sourcesOf({ because, evidence, whyNot }: Choice): string[] {
  const statements = [because, ...evidence, ...whyNot.map(([, statement]) => statement)];
  return [...new Set(statements.flatMap(({ from }) => from))];
}
