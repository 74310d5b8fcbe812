/**
 * What a reading of the policy file changes: a broken one nothing, so the last good document stays in force;
 * an unchanged one nothing either, and nobody is told.
 *
 *     reading ─▶ same text ──────────────────────────▶ –
 *            ─▶ broken, and not for the same reasons ─▶ the error
 *            ─▶ good, and new or the end of an error ─▶ the document
 */
import { isDeepStrictEqual } from "node:util";
import { PolicyFileError } from "../admission/policy-file-error.ts";
import type { PolicyDocument } from "../admission/policy.ts";
import { parsePolicyText } from "./policy-text.ts";

export class LastGoodPolicies {
  readonly #source: string;
  #document: PolicyDocument | undefined;
  #error: PolicyFileError | undefined;
  /** Compared before parsing, which takes a second for the largest files. */
  #text: string | undefined;

  constructor(source: string, document?: PolicyDocument) {
    this.#source = source;
    this.#document = document;
  }

  /** Takes the file's text, or why there is none; gives what is news. */
  read(reading: string | PolicyFileError): PolicyDocument | PolicyFileError | undefined {
    if (reading === this.#text) return undefined;
    this.#text = typeof reading === "string" ? reading : undefined;
    const outcome = typeof reading === "string" ? this.#parse(reading) : reading;
    const before = this.#error;
    if (outcome instanceof PolicyFileError) {
      this.#error = outcome;
      return outcome.message === before?.message ? undefined : outcome;
    }
    this.#error = undefined;
    if (before === undefined && isDeepStrictEqual(outcome, this.#document)) return undefined;
    this.#document = outcome;
    return outcome;
  }

  #parse(text: string): PolicyDocument | PolicyFileError {
    try {
      return parsePolicyText(text, this.#source);
    } catch (error) {
      if (error instanceof PolicyFileError) return error;
      throw error;
    }
  }
}
