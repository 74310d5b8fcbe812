import { expect, it } from "vitest";
import { decisionAnswer, reportAnswer } from "../../gateway/decision-answer.ts";
import { decision, WORDS } from "./decision.ts";

const QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded";

it("answers what is allowed with 200 and the wire's JSON", () => {
  const answer = decisionAnswer(decision(), WORDS);
  expect(answer.status).toBe(200);
  expect(answer.headers.slice(0, 4)).toEqual([
    "Content-Type",
    "application/json",
    "Cache-Control",
    "no-store",
  ]);
  expect(JSON.parse(answer.body)).toEqual({
    allowed: true,
    outcome: "allowed",
    remaining: 99,
    limit: 100,
    retryAfterMs: 0,
    resetAfterMs: 600,
    policy: "per-key",
    dimension: "key",
    tier: "approximate",
    region: "eu",
    overshootMaxPct: 0,
  });
});

it("answers what is denied with 429 and a problem that names the policy and the wait", () => {
  const denied = { allowed: false, outcome: "denied", remaining: 0, retryAfterUs: 1_234_567 } as const;
  const answer = decisionAnswer(decision(denied), WORDS);
  expect(answer.status).toBe(429);
  expect(answer.headers).toContain("application/problem+json");
  expect(JSON.parse(answer.body)).toMatchObject({
    type: QUOTA_EXCEEDED,
    title: "Quota exceeded",
    status: 429,
    detail: "policy per-key grants no more for now; retry after 1235 ms",
    "violated-policies": ["per-key"],
    allowed: false,
    outcome: "denied",
    retryAfterMs: 1_235,
  });
});

it("answers what can never pass with 429 and no wait", () => {
  const never = { allowed: false, outcome: "unsatisfiable", retryAfterUs: Infinity } as const;
  const answer = decisionAnswer(decision(never), WORDS);
  expect(answer.status).toBe(429);
  expect(answer.headers).not.toContain("Retry-After");
  expect(JSON.parse(answer.body)).toMatchObject({
    type: QUOTA_EXCEEDED,
    detail: "policy per-key can never grant this many tokens at once",
    outcome: "unsatisfiable",
    retryAfterMs: null,
  });
});

it("tells a queued request how long to wait, rounded up", () => {
  const { body } = decisionAnswer(decision({ delayUs: 1_001 }), WORDS);
  expect(JSON.parse(body)).toMatchObject({ allowed: true, delayMs: 2 });
});

it("marks a decision made blind, in the body and in a header", () => {
  const answer = decisionAnswer({ ...decision({ blind: true }), failureMode: "allow" }, undefined);
  expect(JSON.parse(answer.body)).toMatchObject({ blind: true });
  expect(answer.headers.slice(-2)).toEqual(["Parl-Blind", "allow"]);
});

it("explains a denial that no policy's quota caused", () => {
  const silent = { allowed: false, outcome: "denied", policy: null, limit: null, remaining: null } as const;
  const result = {
    ...decision({ ...silent, retryAfterUs: 1_000_000, blind: true }),
    failureMode: "deny",
  } as const;
  expect(JSON.parse(decisionAnswer(result, undefined).body)).toMatchObject({
    detail: "nobody could decide this, and for this tenant that means no (onFailure: deny)",
    "violated-policies": [],
  });
});

it("answers a report with what was charged and the state it left", () => {
  const answer = reportAnswer(50, decision({ remaining: 0, resetAfterUs: 1 }), WORDS);
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.body)).toEqual({
    charged: 50,
    remaining: 0,
    limit: 100,
    resetAfterMs: 1,
    policy: "per-key",
    dimension: "key",
    region: "eu",
  });
});
