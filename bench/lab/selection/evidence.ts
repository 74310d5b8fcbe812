/**
 * The lab's results as a witness: asked for a number by experiment, row and column, it answers with that number or
 * says what is missing. It also holds the page to what it says in words: a claim that the numbers do not bear out
 * any more is an error, and the sentence has to be changed.
 */
import { ParlError } from "../../../core/errors.ts";
import type { Finding } from "../experiment.ts";
import type { Result } from "../result.ts";
import type { Figure, Unit } from "./statement.ts";

/** What the page cannot do without, in the order of the lab. */
export const REQUIRED = [
  "lua-agreement",
  "boundary-burst",
  "bytes-per-key",
  "hot-log",
  "expiry",
  "local-and-redis",
  "batching",
  "several-redis",
  "hot-keys",
  "hot-key-relief",
  "fairness",
  "server-clock",
  "peers",
  "accuracy-memory",
  "log-break-even",
  "burst-shaping",
  "clock-skew",
  "pre-allocated-bucket",
  "one-key-counter",
  "approximate-logs",
] as const;
/** A native module cannot be built everywhere: there is a page without it too. */
export type Source = (typeof REQUIRED)[number] | "redis-cell";

/** Names of experiments without which there is no page. */
export function missingResults(results: ReadonlyMap<string, Result>): string[] {
  return REQUIRED.filter((name) => !results.has(name));
}

export class Evidence {
  readonly results: ReadonlyMap<string, Result>;
  /** A quick run shows the shape only: too small and too noisy to hold words against. */
  readonly isQuick: boolean;

  /** @throws ParlError PARL_INVALID_FILE naming the results that are missing and what makes them */
  constructor(results: ReadonlyMap<string, Result>) {
    const missing = missingResults(results);
    if (missing.length > 0) {
      const command = `npm run lab -- ${missing.join(" ")}`;
      throw invalid(
        missing.join(", "),
        `no result of ${missing.join(", ")}: the selection page rests on it; run \`${command}\``,
      );
    }
    this.results = results;
    this.isQuick = [...results.values()].some(({ quick }) => quick === true);
  }

  /** Rows that say all of `where`, never none. */
  rows(from: Source, where: Finding = {}): readonly Finding[] {
    const { rows } = this.results.get(from)!;
    const found = rows.filter((row) => Object.entries(where).every(([name, value]) => row[name] === value));
    if (found.length === 0)
      throw invalid(from, `${from} has no row of ${JSON.stringify(where)}; run it again`);
    return found;
  }

  /** One column of those rows. */
  column(from: Source, where: Finding, column: string): number[] {
    return this.rows(from, where).map((row) => {
      const value = row[column];
      if (typeof value === "number") return value;
      throw invalid(from, `${from} has no number "${column}" where ${JSON.stringify(where)}; run it again`);
    });
  }

  /** The one number there. */
  value(from: Source, where: Finding, column: string): number {
    const values = this.column(from, where, column);
    if (values.length === 1) return values[0]!;
    throw invalid(from, `${from} has ${values.length} rows of ${JSON.stringify(where)}, one is meant`);
  }

  figure(from: Source, where: Finding, column: string, unit: Unit): Figure {
    return { text: unit(this.value(from, where, column)), from };
  }

  /** Holds the words to the numbers. @throws ParlError when they disagree */
  claim(words: string, isBorneOut: boolean): void {
    if (isBorneOut || this.isQuick) return;
    throw invalid(
      "claim",
      `the results no longer say that ${words}: change the sentence in bench/lab/selection`,
    );
  }
}

/** A number worked out from rows: their greatest, their sum, a quotient. */
export function worked(from: Source, value: number, unit: Unit): Figure {
  return { text: unit(value), from };
}

function invalid(field: string, message: string): ParlError {
  return new ParlError("PARL_INVALID_FILE", message, { field });
}
