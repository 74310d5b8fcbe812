import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PolicyFileError } from "../../admission/policy-file-error.ts";
import { parsePolicies } from "../../admission/policy-schema.ts";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { DIMENSIONS } from "../../core/decision.ts";

/** Documents that are nearly right: the fields of the format, with sound and unsound values mixed. */
function nearlyPolicies(): fc.Arbitrary<unknown> {
  const odd = fc.oneof(
    { withCrossShrink: true },
    fc.constantFrom<unknown>(
      undefined,
      null,
      "",
      "100",
      -1,
      0,
      -0,
      0.5,
      Number.NaN,
      Infinity,
      1e308,
      2 ** 53,
      "__proto__",
    ),
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withSet: true }),
  );
  const mostly = (sound: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    fc.oneof({ arbitrary: sound, weight: 9 }, { arbitrary: odd, weight: 1 });
  const name = fc.stringMatching(/^[a-z0-9-]{1,64}$/);
  const tenant = fc.string({ minLength: 1 });
  const policy = fc.record(
    {
      name: mostly(name),
      dimension: mostly(fc.constantFrom(...DIMENSIONS)),
      match: mostly(
        fc.oneof(
          fc.record({ tenant: mostly(fc.oneof(tenant, fc.array(tenant, { minLength: 1 }))) }),
          fc.record({ plan: mostly(name) }),
        ),
      ),
      algorithm: mostly(fc.constantFrom(...ALGORITHMS)),
      limit: mostly(fc.nat()),
      window: mostly(
        fc.oneof(fc.constantFrom("1ms", "10s", "1d"), fc.integer({ min: 1, max: 366 * 86_400 })),
      ),
      burst: mostly(fc.nat()),
      subWindows: mostly(fc.integer({ min: 1, max: 64 })),
      onFailure: mostly(fc.constantFrom("allow", "deny", "local")),
    },
    { requiredKeys: ["name", "dimension", "algorithm", "limit", "window"] },
  );
  return fc.record({
    version: mostly(fc.constant(1)),
    tenants: mostly(
      fc.dictionary(
        tenant,
        mostly(fc.record({ plan: mostly(name), keysMax: mostly(fc.nat()) }, { requiredKeys: [] })),
      ),
    ),
    keysMax: fc.option(mostly(fc.nat()), { nil: undefined }),
    policies: mostly(fc.array(mostly(policy), { maxLength: 4 })),
  });
}

function parsesOrSaysWhy(input: unknown): "parsed" | "refused" {
  try {
    const { policies, keysMax } = parsePolicies(input, "test");
    for (const keys of [keysMax?.everyTenant ?? 1, ...(keysMax?.byTenant.values() ?? [])]) {
      expect(Number.isInteger(keys) && keys >= 1 && keys < 2 ** 31).toBe(true);
    }
    for (const { limit, windowUs, burst, name } of policies) {
      expect(Number.isInteger(limit) && limit >= 0 && limit < 2 ** 31 && !Object.is(limit, -0)).toBe(true);
      expect(Number.isInteger(windowUs) && windowUs >= 1_000 && windowUs <= 366 * 86_400e6).toBe(true);
      expect(burst === undefined || (Number.isInteger(burst) && burst >= 1 && burst < 2 ** 31)).toBe(true);
      expect(name).toMatch(/^[a-z0-9-]{1,64}$/);
    }
    expect(new Set(policies.map(({ name }) => name)).size).toBe(policies.length);
    return "parsed";
  } catch (error) {
    if (!(error instanceof PolicyFileError)) throw error;
    expect(error.problems.length).toBeGreaterThan(0);
    for (const { rule, fix } of error.problems)
      expect([rule, fix].join("")).not.toMatch(/Invalid input|undefined/);
    return "refused";
  }
}

describe("parsePolicies", () => {
  it("parses any JSON value or throws a PolicyFileError", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (input) => {
        parsesOrSaysWhy(input);
      }),
      { numRuns: 2_000 },
    );
  });

  it("parses anything at all or throws a PolicyFileError", () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withSet: true,
    });
    fc.assert(
      fc.property(anything, (input) => {
        parsesOrSaysWhy(input);
      }),
      { numRuns: 2_000 },
    );
  });

  it("does the same with documents that are nearly right, of which both kinds turn up", () => {
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(nearlyPolicies(), (input) => {
        outcomes.add(parsesOrSaysWhy(input));
      }),
      { numRuns: 3_000 },
    );
    expect(outcomes).toStrictEqual(new Set(["parsed", "refused"]));
  });
});
