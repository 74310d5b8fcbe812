/**
 * The recording of a live replay: every decision with the moment it was made at, so that it can be made
 * again (redecide.ts).
 *
 *   {"decisionLog":1,"accessLogSha256":"…","policies":"policies:\n  - name: …"}      header
 *   {"nowUs":…,"sequence":0,"region":"eu","atUs":…,"tenant":"a","key":"k", …}        one row per decision,
 *   …                                                                               in order per region
 *   {"rows":1234,"unanswered":0}                                                    end
 *
 * Newline-delimited JSON. The header holds the policy file word for word; the end tells a whole recording
 * from one cut short. The cluster's hash seed is not part of it: it must not change a decision.
 */
import { z } from "zod";
import { OUTCOMES } from "../core/decision.ts";
import { ParlError } from "../core/errors.ts";
import { LogLines } from "./log-lines.ts";

const DECISION_LOG_VERSION = 1;

/** A row holds a key and a user of up to 1 MiB each, every byte of them perhaps six in JSON. */
const LINE_BYTES_MAX = 2 ** 24;

const count = z.number().int().nonnegative();

const headerSchema = z.object({
  decisionLog: z.literal(DECISION_LOG_VERSION),
  /** Of the access log that was replayed, uncompressed. */
  accessLogSha256: z.string(),
  /** The text of the policy file in force. */
  policies: z.string(),
});

const rowSchema = z.object({
  /** The deciding shard's clock. */
  nowUs: count,
  /** Order of decisions within the deciding process. */
  sequence: count,
  region: z.string(),
  /** When the access log says the request came. */
  atUs: count,
  tenant: z.string(),
  key: z.string(),
  user: z.string().nullable(),
  cost: count,
  outcome: z.enum(OUTCOMES),
  policy: z.string().nullable(),
  remaining: count.nullable(),
  /** Null when no wait helps: JSON has no infinity. */
  retryAfterUs: count.nullable(),
  /** Answered by the policy's `onFailure`; no shard decided. */
  blind: z.boolean(),
});

const endSchema = z.object({
  rows: count,
  /** Checks that got no answer; they may have been charged all the same. */
  unanswered: count,
});

export type DecisionRow = Readonly<z.infer<typeof rowSchema>>;

export interface DecisionLog {
  readonly accessLogSha256: string;
  readonly policies: string;
  readonly rows: readonly DecisionRow[];
  readonly unanswered: number;
}

/** The lines of a decision log, rows in order of decision within each region. */
export function* renderDecisionLog(log: DecisionLog): Generator<string> {
  const { accessLogSha256, policies, rows, unanswered } = log;
  yield jsonLine({ decisionLog: DECISION_LOG_VERSION, accessLogSha256, policies });
  for (const row of inOrderOfDecision(rows)) yield jsonLine(row);
  yield jsonLine({ rows: rows.length, unanswered });
}

export function inOrderOfDecision(rows: readonly DecisionRow[]): DecisionRow[] {
  return rows.toSorted(
    (left, right) => compareText(left.region, right.region) || left.sequence - right.sequence,
  );
}

/** Takes a decision log in pieces; what it cannot accept it throws as a ParlError that names the line. */
export class DecisionLogReader {
  readonly #lines = new LogLines((text, isTooLong) => this.#line(text, isTooLong), LINE_BYTES_MAX);
  #header: z.infer<typeof headerSchema> | undefined;
  readonly #rows: DecisionRow[] = [];
  #end: z.infer<typeof endSchema> | undefined;
  #lineCount = 0;

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  end(): DecisionLog {
    this.#lines.end();
    if (this.#header === undefined) throw invalidFile("the file is empty, not a decision log");
    const rows = this.#rows;
    if (this.#end?.rows !== rows.length) {
      const promised = this.#end === undefined ? "no end" : `${this.#end.rows} rows promised`;
      throw invalidFile(
        `the decision log is cut short: ${rows.length} rows and ${promised}; record it again`,
      );
    }
    const { accessLogSha256, policies } = this.#header;
    return { accessLogSha256, policies, rows, unanswered: this.#end.unanswered };
  }

  #line(text: string, isTooLong: boolean): void {
    this.#lineCount += 1;
    if (isTooLong) throw invalidFile(`line ${this.#lineCount} of the decision log is too long`);
    const value = this.#json(text);
    if (this.#header === undefined) {
      this.#header = this.#parsed(headerSchema, versionChecked(value));
    } else if (this.#end !== undefined) {
      throw invalidFile(`line ${this.#lineCount} of the decision log comes after its end`);
    } else if (typeof value === "object" && value !== null && "rows" in value) {
      this.#end = this.#parsed(endSchema, value);
    } else {
      this.#rows.push(this.#parsed(rowSchema, value));
    }
  }

  #json(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw invalidFile(
        `line ${this.#lineCount} of the decision log is not JSON: the file is broken or cut short`,
        cause,
      );
    }
  }

  #parsed<T>(schema: z.ZodType<T>, value: unknown): T {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    const rule = `${issue?.path.join(".")}: ${issue?.message}`;
    throw invalidFile(`line ${this.#lineCount} of the decision log is broken, ${rule}`, result.error);
  }
}

function versionChecked(value: unknown): unknown {
  const version = typeof value === "object" && value !== null && "decisionLog" in value && value.decisionLog;
  if (typeof version !== "number")
    throw invalidFile("the file is no decision log: its first line says no version");
  if (version !== DECISION_LOG_VERSION) {
    throw new ParlError(
      "PARL_UNSUPPORTED_VERSION",
      `this is decision log version ${version}, and only version ${DECISION_LOG_VERSION} is understood here`,
      { field: "decisionLog" },
    );
  }
  return value;
}

function invalidFile(message: string, cause?: unknown): ParlError {
  return new ParlError("PARL_INVALID_FILE", message, { cause });
}

function jsonLine(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

/** By code unit, the same on every machine. */
function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
