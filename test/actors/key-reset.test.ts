import { expect, it } from "vitest";
import { forgetSubject, resetKey, type ForgettingAdmission } from "../../actors/key-reset.ts";
import { compilePolicies } from "../../admission/policy-set.ts";
import { Verdict } from "../../core/decision.ts";
import { micros } from "../../core/units.ts";
import { NOW_US, policiesOf } from "./lone-shard-actor.ts";

const LIMIT = 10;
const utf8 = new TextEncoder();

/** An admission where every key has spent so much under each policy; the homes of some are elsewhere. */
class SpentAdmission implements ForgettingAdmission {
  readonly policies = compilePolicies(
    policiesOf(
      "name: per-key, dimension: key, algorithm: gcra, limit: 10, window: 60s",
      "name: key-slow, dimension: key, algorithm: gcra, limit: 10, window: 60s",
      "name: per-org, dimension: org, algorithm: gcra, limit: 10, window: 60s",
    ),
  );
  readonly spent = [10, 4, 12];
  readonly described: string[][] = [];
  readonly elsewhere: readonly number[];

  constructor(...elsewhere: number[]) {
    this.elsewhere = elsewhere;
  }

  describe(...ids: [string, string, string]): void {
    this.described.push(ids);
  }

  inspect(cost: number, _nowUs: number, visit: (index: number, verdict: Verdict, isShared: boolean) => void) {
    for (const [index, spent] of this.spent.entries()) {
      if (this.elsewhere.includes(index)) continue;
      const verdict = new Verdict();
      verdict.limit = LIMIT;
      verdict.outcome = spent + cost <= LIMIT ? "allowed" : spent > LIMIT ? "unsatisfiable" : "denied";
      verdict.remaining = Math.max(0, LIMIT - spent - (verdict.outcome === "allowed" ? cost : 0));
      verdict.retryAfterUs = { allowed: 0, denied: 5_500, unsatisfiable: Infinity }[verdict.outcome];
      visit(index, verdict, false);
    }
  }

  forget(index: number): boolean {
    if (this.elsewhere.includes(index)) return false;
    this.spent[index] = 0;
    return true;
  }
}

function reset(admission: ForgettingAdmission, payload: unknown, of = { tenant: "acme", key: "alice" }) {
  const message = { kind: "forget", of, via: 3, replyTo: "r" } as const;
  return resetKey({ ...message, payload: utf8.encode(JSON.stringify(payload)) }, admission, micros(NOW_US));
}

const FREE = { limit: 10, remaining: 10, retryAfterMs: 0 };

it("forgets the key under the policies named, and says what it had and has", () => {
  const admission = new SpentAdmission();
  expect(reset(admission, { user: "u1", policies: ["per-key", "key-slow"] })).toEqual({
    resets: [
      {
        policy: "per-key",
        dimension: "key",
        before: { limit: 10, remaining: 0, retryAfterMs: 6 },
        after: FREE,
      },
      {
        policy: "key-slow",
        dimension: "key",
        before: { limit: 10, remaining: 6, retryAfterMs: 0 },
        after: FREE,
      },
    ],
  });
  expect(admission.spent).toEqual([0, 0, 12]);
  expect(admission.described).toEqual([["acme", "u1", "alice"]]);
});

it("says null where no wait helps", () => {
  expect(reset(new SpentAdmission(), { user: "", policies: ["per-org"] })).toMatchObject({
    resets: [{ policy: "per-org", dimension: "org", before: { retryAfterMs: null }, after: FREE }],
  });
});

it("leaves out what it does not know and what is at home elsewhere", () => {
  const admission = new SpentAdmission(0);
  expect(reset(admission, { user: "", policies: ["per-key", "key-slow", "other"] })).toMatchObject({
    resets: [{ policy: "key-slow" }],
  });
  expect(admission.spent).toEqual([10, 0, 12]);
  expect(reset(admission, { user: "", policies: [] })).toEqual({ resets: [] });
});

it.each([
  [{ user: "_org", policies: [] }, "user", undefined],
  [{ policies: [] }, "user", undefined],
  [{ user: "", policies: "per-key" }, "policies", undefined],
  [{ user: "", policies: [1] }, "policies", undefined],
  [{ user: "" }, "policies", undefined],
  [{ user: "", policies: ["per-key"] }, "tenant", { tenant: "_x", key: "alice" }],
  [{ user: "", policies: ["per-key"] }, "key", { tenant: "acme", key: "" }],
])("refuses %j and forgets nothing", (payload, field, of) => {
  const admission = new SpentAdmission();
  expect(() => reset(admission, payload, of)).toThrow(
    expect.objectContaining({ code: "PARL_INVALID_ARGUMENT", field }),
  );
  expect(admission.spent).toEqual([10, 4, 12]);
});

it("is asked on the shard's own subjects", () => {
  expect(forgetSubject(7, "acme", "alice")).toBe("parl.shard.7.forget.acme.alice");
});
