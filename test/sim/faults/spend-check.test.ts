import { describe, expect, it } from "vitest";
import type { Call } from "../../../sim/faults/ledger.ts";
import { LIMITS } from "../../../sim/faults/limits.ts";
import { checkSpend, type Peek } from "../../../sim/faults/spend-check.ts";
import { call, times } from "./calls.ts";

const LIMIT = 60;

function checksOf(calls: readonly Call[], crashes = 0, peeks: readonly Peek[] = []): string[] {
  const { violations } = checkSpend({ calls, limits: LIMITS, peeks, crashes });
  return violations.map(({ check, subject }) => `${check} ${subject}`);
}

const denied = (tenant: string, atMs: number): Call => call(tenant, atMs, { outcome: "denied" });
const exhausted = (tenant: string, admitted = LIMIT): Call[] => [
  ...times(admitted, (i) => call(tenant, i)),
  ...times(2 * LIMIT, (i) => denied(tenant, 100 + i)),
];

function team(i: number, more: Partial<Call> = {}): Call {
  return call("team", i, { key: `team-${i % 6}`, policy: "team-org", ...more });
}

function planet(i: number): Call {
  return call(i % 2 === 0 ? "planet-a" : "planet-b", i, { key: `k${i % 8}` });
}

/** Admissions within the window of that number. */
function short(id: number, count: number): Call[] {
  return times(count, (i) => call("short", id * 5_000 + i));
}

describe("a ledger without a fault", () => {
  it("is kept when exactly the limit was admitted and is charged", () => {
    const peek = { limit: "window-key", subject: "window/window-0", remaining: 0, decidedUs: 1_000_000 };
    expect(checksOf(exhausted("window"), 0, [peek])).toEqual([]);
  });

  it("is broken by one unit more", () => {
    expect(checksOf(exhausted("window", LIMIT + 1))).toEqual(["bound window/window-0@0"]);
  });

  it("is broken by one unit less", () => {
    expect(checksOf(exhausted("window", LIMIT - 1))).toEqual(["under-admission window/window-0"]);
  });

  it("lets an unknown call explain a unit that nobody was admitted by", () => {
    const lost = call("window", 50, { outcome: "unknown", code: "PARL_DEADLINE_EXCEEDED" });
    expect(checksOf([...exhausted("window", LIMIT - 1), lost])).toEqual([]);
  });

  it("does not let a call that failed explain one", () => {
    const failed = call("window", 50, { outcome: "failed", code: "PARL_UNAVAILABLE" });
    expect(checksOf([...exhausted("window", LIMIT - 1), failed])).toEqual([
      "under-admission window/window-0",
    ]);
  });

  it("is broken by a unit charged that nobody took, or taken that nobody charged", () => {
    const calls = times(10, (i) => call("window", i));
    const peek = { limit: "window-key", subject: "window/window-0", decidedUs: 1_000_000 };
    expect(checksOf(calls, 0, [{ ...peek, remaining: 50 }])).toEqual([]);
    expect(checksOf(calls, 0, [{ ...peek, remaining: 49 }])).toEqual(["conservation window/window-0"]);
    // One unit of what is regained may be shown already.
    expect(checksOf(calls, 0, [{ ...peek, remaining: 52 }])).toEqual(["conservation window/window-0"]);
  });
});

describe("a ledger with a crash", () => {
  it("may miss a twentieth per crash, and no more", () => {
    expect(checksOf(exhausted("window", LIMIT - 3), 1)).toEqual([]);
    expect(checksOf(exhausted("window", LIMIT - 4), 1)).toEqual(["under-admission window/window-0"]);
    expect(checksOf(exhausted("window", LIMIT - 6), 2)).toEqual([]);
  });

  it("still may not hold a unit more", () => {
    expect(checksOf(exhausted("window", LIMIT + 1), 3)).toEqual(["bound window/window-0@0"]);
  });

  it("admits one limit more per crash where the policy says so", () => {
    expect(checksOf(exhausted("fresh", 2 * LIMIT), 1)).toEqual([]);
    expect(checksOf(exhausted("fresh", 2 * LIMIT + 1), 1)).toEqual(["bound fresh/fresh-0@0"]);
    expect(checksOf(exhausted("fresh", 2 * LIMIT), 0)).toEqual(["bound fresh/fresh-0@0"]);
  });
});

describe("limits above the key", () => {
  it("are bound over all keys together", () => {
    const denials = times(240, (i) => team(300 + i, { outcome: "denied" }));
    expect(checksOf([...times(240, (i) => team(i)), ...denials])).toEqual([]);
    expect(checksOf([...times(241, (i) => team(i)), ...denials])).toEqual(["bound team"]);
  });

  it("are bound over all tenants together", () => {
    expect(checksOf(times(300, planet))).toEqual([]);
    expect(checksOf(times(301, planet))).toEqual(["bound everybody"]);
  });
});

it("counts a short window by itself", () => {
  expect(checksOf([...short(1, 20), ...short(2, 20)])).toEqual([]);
  expect(checksOf([...short(1, 20), ...short(2, 21)])[0]).toMatch(/^bound short\/short-0@2$/);
});
