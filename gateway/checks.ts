/**
 * Checks and reports on their way to the backend. A check that nobody decided, because nobody was reached, the
 * answer came too late or all were overloaded, is decided by the policies' `onFailure`. A report that nobody
 * took is an error: pretending would lose the charge, while a repeated one with an id is charged once.
 */
import type { CheckResult } from "../client/check.ts";
import { ParlError } from "../core/errors.ts";
import type { Decides } from "./backend.ts";
import type { BlindDecider, Decided } from "./blind-decider.ts";
import type { CheckFields } from "./check-fields.ts";

export class Checks {
  readonly #backend: Decides;
  readonly #blind: BlindDecider;

  constructor(backend: Decides, blind: BlindDecider) {
    this.#backend = backend;
    this.#blind = blind;
  }

  async check(check: CheckFields): Promise<Decided> {
    try {
      return await this.#backend.check(check);
    } catch (error) {
      if (error instanceof ParlError && error.isRetryable()) return this.#blind.decide(check);
      throw error;
    }
  }

  report(usage: CheckFields): Promise<CheckResult> {
    return this.#backend.report(usage);
  }
}
