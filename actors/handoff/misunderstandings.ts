/**
 * What two processes do not understand of each other while they hand a shard over, in words, for whoever reads the
 * log: two versions that do not go together, bytes that arrive damaged or out of order. Such a transfer is tried
 * again twice a second for every shard, so each thing is said once until another one happens.
 */
import type { ErrorCode, ParlError } from "../../core/errors.ts";

/** All others are the daily life of transfers: too many at a time, an owner that has changed, a peer that has gone. */
const CODES: ReadonlySet<ErrorCode> = new Set([
  "PARL_MALFORMED",
  "PARL_UNSUPPORTED_VERSION",
  "PARL_TOO_LARGE",
]);

export class Misunderstandings {
  readonly #say: (words: string) => void;
  #said = "";

  constructor(say: (words: string) => void) {
    this.#say = say;
  }

  heard({ code, message }: ParlError): void {
    if (!CODES.has(code) || message === this.#said) return;
    this.#said = message;
    this.#say(`a shard does not get across to or from another process: ${message}`);
  }
}
