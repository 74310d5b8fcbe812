/**
 * The exact oracle as a reference for recorded decisions: one full history per key and policy, all policies
 * of a check or none. Which policies apply is worked out here once more, so that nothing is shared with the
 * code under test but the policy file and the id tokens.
 */
import type { Policy, PolicyDocument } from "../../admission/policy.ts";
import { expectedOutcome, Oracle } from "../../bench/oracle.ts";
import type { Outcome } from "../../core/decision.ts";
import { encodeId } from "../../core/id.ts";
import type { DecisionRow } from "../../sim/decision-log.ts";
import type { Reference } from "../../sim/redecide.ts";

export class OracleReference implements Reference {
  readonly #document: PolicyDocument;
  readonly #oracles = new Map<string, Oracle>();

  constructor(document: PolicyDocument) {
    this.#document = document;
  }

  decide(row: DecisionRow): Outcome {
    const asked = this.#document.policies.flatMap((policy) => {
      const identity = applies(policy, this.#document, row) ? identityOf(policy, row) : undefined;
      return identity === undefined ? [] : [{ policy, oracle: this.#oracle(policy, identity) }];
    });
    const outcomes = asked.map(({ policy, oracle }) =>
      expectedOutcome(policy, oracle.admissions, row.cost, row.nowUs),
    );
    if (outcomes.includes("unsatisfiable")) return "unsatisfiable";
    if (outcomes.includes("denied")) return "denied";
    for (const { oracle } of asked) oracle.charge(row.cost, row.nowUs);
    return "allowed";
  }

  #oracle(policy: Policy, identity: readonly string[]): Oracle {
    const name = JSON.stringify([policy.name, ...identity]);
    let oracle = this.#oracles.get(name);
    if (oracle === undefined) this.#oracles.set(name, (oracle = new Oracle(policy)));
    return oracle;
  }
}

function applies({ match }: Policy, { plans }: PolicyDocument, row: DecisionRow): boolean {
  const tenant = encodeId(row.tenant);
  if (match.tenants !== undefined) return match.tenants.includes(tenant);
  if (match.plans === undefined) return true;
  return match.plans.some((plan) => plan === plans.get(tenant));
}

/** Whose limit this is; undefined where the check has no such part. */
function identityOf(policy: Policy, { tenant, key, user }: DecisionRow): readonly string[] | undefined {
  switch (policy.dimension) {
    case "user":
      return user === null ? undefined : [tenant, user];
    case "key":
      return [tenant, key];
    case "org":
      return [tenant];
    case "global":
      return [];
  }
}
