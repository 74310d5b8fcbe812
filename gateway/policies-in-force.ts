/**
 * The policies as the gateway needs them: what to say about each in the `RateLimit` fields, worked out once
 * per reload, and what a tenant wants to happen when no shard answers.
 */
import { compilePolicies, type PolicySet } from "../admission/policy-set.ts";
import type { FailureMode, PolicyDocument, Policy } from "../admission/policy.ts";
import type { AlgorithmName } from "../algorithms/algorithm.ts";
import { US_PER_S } from "../core/units.ts";

export interface PolicyWords {
  readonly algorithm: AlgorithmName;
  /** `"per-key";q=100;w=60` */
  readonly policyField: string;
  /** `"per-key"`, to be continued with r and t. */
  readonly limitItem: string;
}

export class PoliciesInForce {
  #set: PolicySet;
  #words: ReadonlyMap<string, PolicyWords>;

  constructor(document: PolicyDocument) {
    this.#set = compilePolicies(document);
    this.#words = wordsByName(document);
  }

  get set(): PolicySet {
    return this.#set;
  }

  adopt(document: PolicyDocument): void {
    this.#set = compilePolicies(document, this.#set.revision + 1);
    this.#words = wordsByName(document);
  }

  /** Undefined for a policy that the shards know and this gateway's file does not. */
  words(name: string): PolicyWords | undefined {
    return this.#words.get(name);
  }

  /** @param tenant as a token */
  failureMode(tenant: string): FailureMode {
    return this.#set.failureMode(tenant);
  }
}

function wordsByName({ policies }: PolicyDocument): ReadonlyMap<string, PolicyWords> {
  return new Map(policies.map((policy) => [policy.name, wordsOf(policy)]));
}

/** Names are [a-z0-9-], so that quoting needs no escapes. A window that is no whole number of seconds has no w. */
function wordsOf({ name, algorithm, limit, windowUs }: Policy): PolicyWords {
  const seconds = windowUs / US_PER_S;
  const window = Number.isInteger(seconds) ? `;w=${seconds}` : "";
  return { algorithm, policyField: `"${name}";q=${limit}${window}`, limitItem: `"${name}"` };
}
