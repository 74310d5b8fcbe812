/** What a handler answers, and the two kinds of bodies there are: JSON and problems (RFC 9457). */
import { STATUS_CODES } from "node:http";
import { ERRORS, type ParlError } from "../core/errors.ts";
import { secondsCeil, US_PER_MS } from "../core/units.ts";
import { errorBody } from "../core/wire-json.ts";

export interface HttpAnswer {
  readonly status: number;
  /** Names and values in turn, as node:http writes them fastest. */
  readonly headers: readonly string[];
  readonly body: string;
}

/** An answer is about this moment: no cache may repeat it. */
const JSON_HEADERS = ["Content-Type", "application/json", "Cache-Control", "no-store"];
const PROBLEM_HEADERS = ["Content-Type", "application/problem+json", "Cache-Control", "no-store"];

export function jsonAnswer(status: number, value: unknown, headers: readonly string[] = []): HttpAnswer {
  return { status, headers: [...JSON_HEADERS, ...headers], body: JSON.stringify(value) };
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
}

export function problemAnswer(problem: Problem, headers: readonly string[] = []): HttpAnswer {
  return {
    status: problem.status,
    headers: [...PROBLEM_HEADERS, ...headers],
    body: JSON.stringify(problem),
  };
}

/**
 * An error as a problem: beside the RFC's members the same `error` object that NATS callers get.
 *
 * @param status the code's own, unless HTTP knows a more telling one
 */
export function errorAnswer(
  error: ParlError,
  status: number = ERRORS[error.code].http,
  headers: readonly string[] = [],
): HttpAnswer {
  const { message, retryAfterMs } = error;
  const wait =
    retryAfterMs === undefined ? [] : ["Retry-After", String(secondsCeil(retryAfterMs * US_PER_MS))];
  const title = STATUS_CODES[status] ?? "Error";
  const problem = { type: "about:blank", title, status, detail: message, ...errorBody(error) };
  return problemAnswer(problem, [...headers, ...wait]);
}
