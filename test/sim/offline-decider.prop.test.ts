import * as fc from "fast-check";
import { expect, it } from "vitest";
import { parsePolicies } from "../../admission/policy-schema.ts";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { OracleReference } from "../../cli/replay/oracle-reference.ts";
import { DIMENSIONS } from "../../core/decision.ts";
import { OfflineDecider } from "../../sim/offline-decider.ts";

const policy = fc.record({
  dimension: fc.constantFrom(...DIMENSIONS),
  algorithm: fc.constantFrom(...ALGORITHMS),
  limit: fc.integer({ min: 1, max: 5 }),
  window: fc.constantFrom("1ms", "7ms", "1s"),
});
const ask = fc.record({
  waitUs: fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 2_000 }), fc.nat({ max: 2_000_000 })),
  tenant: fc.constantFrom("a", "b"),
  key: fc.constantFrom("k", "l"),
  user: fc.constantFrom(null, "eve"),
  cost: fc.integer({ min: 0, max: 3 }),
});

it("agrees with the oracle over random policies of every dimension and random checks", () => {
  const policies = fc.array(policy, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(policies, fc.array(ask, { maxLength: 60 }), (named, asks) => {
      const written = named.map((fields, i) => ({ name: `p${i}`, ...fields }));
      const document = parsePolicies({ version: 1, policies: written }, "generated");
      const decider = new OfflineDecider(document);
      const oracle = new OracleReference(document);
      let nowUs = 1_700_000_000_000_000;
      for (const [sequence, { waitUs, ...check }] of asks.entries()) {
        nowUs += waitUs;
        const decision = decider.decide(check, nowUs);
        const row = { ...check, ...decision, nowUs, sequence, atUs: nowUs, region: "eu", blind: false };
        expect([sequence, decision.outcome]).toEqual([sequence, oracle.decide(row)]);
      }
    }),
    { numRuns: 300 },
  );
});
