/**
 * How many checks were decided, by policy and outcome, how many of these not at once and how many of them
 * denied in doubt, and how many were errors, by code. Plain arrays on the hot path; names only when somebody
 * asks.
 */
import { DENIAL_DOUBTS, type DenialDoubtName } from "../admission/denial-doubt.ts";
import type { PolicySet } from "../admission/policy-set.ts";
import { OUTCOMES, type Outcome } from "../core/decision.ts";
import { ERROR_CODES, type ErrorCode } from "../core/errors.ts";

/** One line of the tally: the tightest policy decided the check; null when none applied. */
export interface TallyLine {
  readonly policy: string | null;
  readonly algorithm: string | null;
  readonly outcome: Outcome;
  readonly count: number;
}

/** What replies call a decision under no policy. */
const NO_POLICY = "";

export class DecisionTally {
  /** Decisions on checks that found some of their rights missing: the others were made at once. */
  late = 0;
  /** Checks in a frame for a shard that is not their home, told where that is. */
  misplaced = 0;
  /** Messages for a shard that is not this process's, which left them to its owner. */
  unowned = 0;

  readonly #doubts = new Float64Array(DENIAL_DOUBTS.length);
  readonly #errors = new Float64Array(ERROR_CODES.length);
  /** Counts by policy name, which outlive a reload. */
  readonly #byName = new Map<string, { algorithm: string | null; counts: Float64Array }>();
  /** The same arrays by policy index + 1; place 0 is for decisions under no policy. */
  #byIndex: Float64Array[] = [];

  constructor(policies: PolicySet) {
    this.adopt(policies);
  }

  adopt(policies: PolicySet): void {
    const lines = [{ name: NO_POLICY, algorithm: null }, ...policies.policies];
    this.#byIndex = lines.map(({ name, algorithm }) => {
      const counts = this.#byName.get(name)?.counts ?? new Float64Array(OUTCOMES.length);
      this.#byName.set(name, { algorithm, counts });
      return counts;
    });
  }

  /** @param policyIndex index of the tightest policy, −1 for none */
  decision(policyIndex: number, outcome: Outcome): void {
    const counts = this.#byIndex[policyIndex + 1] as Float64Array;
    const at = OUTCOMES.indexOf(outcome);
    counts[at] = (counts[at] as number) + 1;
  }

  /** @param doubt how doubtful a denial was, a place in DENIAL_DOUBTS */
  denial(doubt: number): void {
    this.#doubts[doubt] = (this.#doubts[doubt] as number) + 1;
  }

  error(code: ErrorCode): void {
    const at = ERROR_CODES.indexOf(code);
    this.#errors[at] = (this.#errors[at] as number) + 1;
  }

  decisions(): TallyLine[] {
    return [...this.#byName].flatMap(([name, { algorithm, counts }]) =>
      OUTCOMES.map((outcome, at) => ({
        policy: name === NO_POLICY ? null : name,
        algorithm,
        outcome,
        count: counts[at] as number,
      })).filter((line) => line.count > 0),
    );
  }

  /** Denials by how doubtful they were. */
  denials(): Record<DenialDoubtName, number> {
    const counted = DENIAL_DOUBTS.map((doubt, at) => [doubt, this.#doubts[at]]);
    return Object.fromEntries(counted) as Record<DenialDoubtName, number>;
  }

  errors(): Partial<Record<ErrorCode, number>> {
    const counted = ERROR_CODES.map((code, at) => [code, this.#errors[at] as number] as const);
    return Object.fromEntries(counted.filter(([, count]) => count > 0));
  }
}
