/** What a run of `npm run verify:lua` has compared, of one algorithm. */
import type { AlgorithmName } from "../algorithms/algorithm.ts";
import type { Decided, Difference } from "./lua-agreement.ts";

const DIFFERENCES_SHOWN = 5;

export interface AgreementReport {
  readonly algorithm: AlgorithmName;
  readonly policies: number;
  readonly decisions: number;
  readonly allowed: number;
  readonly denied: number;
  readonly unsatisfiable: number;
  readonly peeks: number;
  readonly reports: number;
  readonly refunds: number;
  readonly steps_back: number;
  readonly decisions_per_s: number;
  readonly differences: number;
  readonly examples: readonly Difference[];
}

export class AgreementTally {
  readonly algorithm: AlgorithmName;
  policies = 0;
  /** Reports and refunds are compared too, and not counted. */
  decisions = 0;
  readonly #outcomes = { allowed: 0, denied: 0, unsatisfiable: 0 };
  #peeks = 0;
  #reports = 0;
  #refunds = 0;
  #stepsBack = 0;
  #differences = 0;
  readonly #examples: Difference[] = [];
  readonly #startedMs = performance.now();

  constructor(algorithm: AlgorithmName) {
    this.algorithm = algorithm;
  }

  add(decided: readonly Decided[], found: readonly Difference[]): void {
    this.policies += 1;
    let lastUs = 0;
    for (const { question, verdict } of decided) {
      if (question.mode === "report") this.#reports += 1;
      else if (question.mode === "refund") this.#refunds += 1;
      else {
        this.decisions += 1;
        if (question.cost === 0) this.#peeks += 1;
        else this.#outcomes[verdict.outcome] += 1;
      }
      if (question.nowUs < lastUs) this.#stepsBack += 1;
      lastUs = question.nowUs;
    }
    this.#differences += found.length;
    this.#examples.push(...found.slice(0, Math.max(0, DIFFERENCES_SHOWN - this.#examples.length)));
  }

  report(): AgreementReport {
    return {
      algorithm: this.algorithm,
      policies: this.policies,
      decisions: this.decisions,
      ...this.#outcomes,
      peeks: this.#peeks,
      reports: this.#reports,
      refunds: this.#refunds,
      steps_back: this.#stepsBack,
      decisions_per_s: Math.round((this.decisions * 1_000) / (performance.now() - this.#startedMs)),
      differences: this.#differences,
      examples: this.#examples,
    };
  }
}
