/** An error for which HTTP has a more telling status than the table of codes: 404, 405, 415. */
import type { ParlError } from "../core/errors.ts";

export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly status: number;
  readonly error: ParlError;
  /** Fields the status calls for, names and values in turn. */
  readonly headers: readonly string[];

  constructor(status: number, error: ParlError, headers: readonly string[] = []) {
    super(error.message, { cause: error });
    this.status = status;
    this.error = error;
    this.headers = headers;
  }
}
