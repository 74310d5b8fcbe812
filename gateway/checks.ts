/**
 * Checks and reports on their way to a shard. A check that no shard decided, because none was reached, the
 * answer came too late or all were overloaded, is decided by the policies' `onFailure`. A report that nobody
 * took is an error: pretending would lose the charge, while a repeated one with an id is charged once.
 */
import type { CheckResult } from "../client/check.ts";
import type { ParlClient } from "../client/parl-client.ts";
import { ParlError } from "../core/errors.ts";
import type { BlindDecider, Decided } from "./blind-decider.ts";
import type { CheckFields } from "./check-fields.ts";
import type { LateConnection } from "./late-connection.ts";

export class Checks {
  readonly #line: LateConnection<ParlClient>;
  readonly #blind: BlindDecider;

  constructor(line: LateConnection<ParlClient>, blind: BlindDecider) {
    this.#line = line;
    this.#blind = blind;
  }

  async check(check: CheckFields): Promise<Decided> {
    try {
      return await this.#client().check(check);
    } catch (error) {
      if (error instanceof ParlError && error.isRetryable()) return this.#blind.decide(check);
      throw error;
    }
  }

  report(usage: CheckFields): Promise<CheckResult> {
    return this.#client().report(usage);
  }

  #client(): ParlClient {
    const client = this.#line.current;
    if (client !== undefined) return client;
    throw new ParlError("PARL_UNAVAILABLE", "no region has answered yet; is one running (npm start)?");
  }
}
