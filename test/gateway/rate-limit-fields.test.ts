import { expect, it } from "vitest";
import { parsePolicyText } from "../../actors/policy-text.ts";
import type { CheckResult } from "../../client/check.ts";
import { PoliciesInForce, type PolicyWords } from "../../gateway/policies-in-force.ts";
import { rateLimitFields } from "../../gateway/rate-limit-fields.ts";
import { decision, WORDS } from "./decision.ts";

function fieldsOf(changes: Partial<CheckResult>, words: PolicyWords | null = WORDS) {
  const flat = rateLimitFields(decision(changes), words ?? undefined);
  const pairs = Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
  return Object.fromEntries(pairs) as Record<string, string>;
}

it("names the policy, what it grants, what is left and when there is more", () => {
  expect(fieldsOf({})).toEqual({
    "RateLimit-Policy": '"per-key";q=100;w=60',
    RateLimit: '"per-key";r=99;t=1',
    "X-RateLimit-Limit": "100",
    "X-RateLimit-Remaining": "99",
  });
});

it.each([
  [1, "1"],
  [999_999, "1"],
  [1_000_000, "1"],
  [1_000_001, "2"],
])("rounds a wait of %i µs up to whole seconds", (retryAfterUs, seconds) => {
  const refused = { allowed: false, outcome: "denied", remaining: 0, retryAfterUs } as const;
  const fields = fieldsOf({ ...refused, resetAfterUs: 60_000_000 });
  expect(fields["Retry-After"]).toBe(seconds);
  // The draft forbids a Retry-After earlier than t.
  expect(fields["RateLimit"]).toBe(`"per-key";r=0;t=${seconds}`);
});

it("tells nobody to come back for what can never be", () => {
  const never = { allowed: false, outcome: "unsatisfiable", retryAfterUs: Infinity } as const;
  const fields = fieldsOf({ ...never, resetAfterUs: 2_500_000 });
  expect(fields["Retry-After"]).toBeUndefined();
  expect(fields["RateLimit"]).toBe('"per-key";r=99;t=3');
});

it("says nothing where no policy applied", () => {
  expect(fieldsOf({ policy: null, limit: null, remaining: null }, null)).toEqual({});
});

it("keeps to the numbers where the gateway's file does not know the policy", () => {
  expect(Object.keys(fieldsOf({}, null))).toEqual(["X-RateLimit-Limit", "X-RateLimit-Remaining"]);
});

/** RFC 9651, as much of it as the two fields use: a list of one string with integer parameters. */
const STRUCTURED = /^"[\x20\x21\x23-\x5b\x5d-\x7e]*"(;[a-z*][a-z0-9_.*-]*=-?\d{1,15})+$/;

it("writes structured fields for every window and limit a policy may have", () => {
  const text = `version: 1
policies:
  - { name: a, dimension: key, algorithm: gcra, limit: 0, window: 1ms }
  - { name: b-2, dimension: key, algorithm: fixed-window, limit: 2147483647, window: 366d }
  - { name: c, dimension: key, algorithm: fixed-window, limit: 7, window: 1500ms }
`;
  const policies = new PoliciesInForce(parsePolicyText(text, "policies.yaml"));
  const written = ["a", "b-2", "c"].map((name) => fieldsOf({}, policies.words(name) ?? null));
  for (const fields of written) {
    expect(fields["RateLimit-Policy"]).toMatch(STRUCTURED);
    expect(fields["RateLimit"]).toMatch(STRUCTURED);
  }
  // A window is whole seconds or left out; rounding one would state another rate.
  expect(written.map((fields) => fields["RateLimit-Policy"])).toEqual([
    '"a";q=0',
    '"b-2";q=2147483647;w=31622400',
    '"c";q=7',
  ]);
});
