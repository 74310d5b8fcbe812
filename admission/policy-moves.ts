/** From one policy set to the next, for tables that go by policy index: a policy is itself by its name. */
import type { Policy } from "./policy.ts";
import type { PolicySet } from "./policy-set.ts";

export function policyIndices(policies: PolicySet): Map<string, number> {
  return new Map(policies.policies.map(({ name }, index) => [name, index]));
}

/**
 * Index after by index before; −1 where the policy is gone, or counts another dimension and so other keys.
 */
export function policyMoves(before: PolicySet, after: PolicySet): Int32Array {
  const indices = policyIndices(after);
  return Int32Array.from(before.policies, ({ name, dimension }) => {
    const index = indices.get(name) ?? -1;
    return after.policies[index]?.dimension === dimension ? index : -1;
  });
}

/** Whether units lent under `before` may be more than `after` allows. */
export function isLowered(before: Policy | undefined, after: Policy | undefined): boolean {
  if (before === undefined || after === undefined || before.algorithm !== after.algorithm) return true;
  return (
    after.limit < before.limit ||
    (after.burst ?? after.limit) < (before.burst ?? before.limit) ||
    after.windowUs !== before.windowUs
  );
}
