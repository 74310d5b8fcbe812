/**
 * Errors that cross a boundary: a stable code, the field at fault, a sentence that says the way out.
 *
 * One table turns a code into what each protocol calls it; a new code is one new row. "Denied" is not
 * here: it is an answer (decision.ts), not an error.
 */

interface ErrorRow {
  readonly http: number;
  /** Numeric gRPC status (google.rpc.Code). */
  readonly grpc: number;
  /** Value of the `error` label in metrics. */
  readonly metric: string;
  /** Whether the same request may succeed later or elsewhere. */
  readonly retryable: boolean;
}

export const ERRORS = {
  PARL_INVALID_ARGUMENT: { http: 400, grpc: 3, metric: "invalid_argument", retryable: false },
  PARL_MALFORMED: { http: 400, grpc: 3, metric: "malformed", retryable: false },
  PARL_TOO_LARGE: { http: 413, grpc: 3, metric: "too_large", retryable: false },
  PARL_NOT_FOUND: { http: 404, grpc: 5, metric: "not_found", retryable: false },
  PARL_ID_REUSED: { http: 409, grpc: 6, metric: "id_reused", retryable: false },
  PARL_INVALID_POLICY: { http: 400, grpc: 3, metric: "invalid_policy", retryable: false },
  PARL_INVALID_FILE: { http: 400, grpc: 3, metric: "invalid_file", retryable: false },
  PARL_UNSUPPORTED_VERSION: { http: 400, grpc: 9, metric: "unsupported_version", retryable: false },
  PARL_TIER_UNAVAILABLE: { http: 501, grpc: 12, metric: "tier_unavailable", retryable: false },
  PARL_NOT_OWNER: { http: 503, grpc: 14, metric: "not_owner", retryable: true },
  PARL_OVERLOADED: { http: 503, grpc: 8, metric: "overloaded", retryable: true },
  PARL_UNAVAILABLE: { http: 503, grpc: 14, metric: "unavailable", retryable: true },
  PARL_DEADLINE_EXCEEDED: { http: 504, grpc: 4, metric: "deadline_exceeded", retryable: true },
  PARL_INTERNAL: { http: 500, grpc: 13, metric: "internal", retryable: false },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** Codes in wire order: a packed frame carries the index. Append only. */
export const ERROR_CODES = Object.keys(ERRORS) as ErrorCode[];

export interface ParlErrorDetails {
  /** The request field, option or path at fault. */
  readonly field?: string;
  /** When trying again makes sense. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

export class ParlError extends Error {
  override readonly name: string = "ParlError";
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, details: ParlErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.field = details.field;
    this.retryAfterMs = details.retryAfterMs;
  }

  isRetryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  /** Whether another request would have been answered: 4xx, or 501 for what this version cannot do. */
  isCallersFault(): boolean {
    const { http } = ERRORS[this.code];
    return http < 500 || http === 501;
  }
}

/** The usual bad-input error: `tokens must be …, got -1`. */
export function invalidArgument(field: string, rule: string, value: unknown): ParlError {
  return new ParlError("PARL_INVALID_ARGUMENT", `${field} must be ${rule}, got ${shown(value)}`, { field });
}

/** A value as an error message may quote it: short, on one line, whatever it is. */
export function shown(value: unknown): string {
  let text: string;
  try {
    text = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
  } catch {
    text = Object.prototype.toString.call(value);
  }
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
