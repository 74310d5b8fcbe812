/**
 * What a state page says in words: the policy's name, and the numbers its keys are decided under, as JSON.
 * Reading trusts nothing.
 */
import { ParlError } from "../core/errors.ts";
import { ALGORITHMS, type Algorithm, type AlgorithmParams } from "./algorithm.ts";
import { createAlgorithm } from "./registry.ts";

const fromUtf8 = new TextDecoder("utf-8", { fatal: true });

/** The numbers alone, of a policy that says more. */
export function bareParams({
  algorithm,
  limit,
  windowUs,
  burst,
  subWindows,
}: AlgorithmParams): AlgorithmParams {
  return {
    algorithm,
    limit,
    windowUs,
    ...(burst === undefined ? {} : { burst }),
    ...(subWindows === undefined ? {} : { subWindows }),
  };
}

export function textOf(bytes: Uint8Array, what: string): string {
  try {
    return fromUtf8.decode(bytes);
  } catch (cause) {
    throw malformed(`has a ${what} that is not UTF-8`, cause);
  }
}

export function paramsOf(text: string): AlgorithmParams {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed("has params that are not JSON", cause);
  }
  if (typeof value !== "object" || value === null) throw malformed("has params that are not an object");
  // The numbers are checked where the algorithm is made of them.
  return bareParams(value as AlgorithmParams);
}

export function isTime(us: number, mostUs: number): boolean {
  return Number.isSafeInteger(us) && us >= 0 && us <= mostUs;
}

export function algorithmOf(params: AlgorithmParams): Algorithm {
  if (!ALGORITHMS.includes(params.algorithm)) throw malformed("has params of an algorithm not known here");
  try {
    return createAlgorithm(params);
  } catch (cause) {
    throw malformed("has params that make no policy", cause);
  }
}

export function malformed(what: string, cause?: unknown): ParlError {
  return new ParlError("PARL_MALFORMED", `a state page ${what}`, { field: "page", cause });
}

export function otherVersion(must: string): ParlError {
  const message = `a state page must ${must}: update the older process`;
  return new ParlError("PARL_UNSUPPORTED_VERSION", message, { field: "page" });
}
