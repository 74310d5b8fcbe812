import { describe, expect, it } from "vitest";
import { parsePolicies } from "../../../admission/policy-schema.ts";
import { OracleReference } from "../../../cli/replay/oracle-reference.ts";
import type { DecisionRow } from "../../../sim/decision-log.ts";

const window = { algorithm: "fixed-window", window: "10s" };
const document = parsePolicies(
  {
    version: 1,
    tenants: { "a b": { plan: "gold" } },
    policies: [
      { name: "user", dimension: "user", limit: 2, ...window },
      { name: "key", dimension: "key", limit: 3, match: { tenant: "a b" }, ...window },
      { name: "org", dimension: "org", limit: 5, match: { plan: "gold" }, ...window },
      { name: "global", dimension: "global", limit: 7, ...window },
    ],
  },
  "test",
);

const row = (tenant: string, key: string, user: string | null, cost = 1): DecisionRow => ({
  tenant,
  key,
  user,
  cost,
  nowUs: 1_700_000_000_000_000,
  sequence: 0,
  region: "eu",
  atUs: 0,
  outcome: "allowed",
  policy: null,
  remaining: null,
  retryAfterUs: 0,
  blind: false,
});

const outcomes = (rows: readonly DecisionRow[]): string[] => {
  const reference = new OracleReference(document);
  return rows.map((asked) => reference.decide(asked));
};
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

describe("the oracle as a reference", () => {
  it("keeps one history per user of a tenant, whatever key they use", () => {
    const rows = [row("t", "k", "eve"), row("t", "l", "eve"), row("t", "k", "eve"), row("u", "k", "eve")];
    expect(outcomes(rows)).toEqual(["allowed", "allowed", "denied", "allowed"]);
  });

  it("leaves user policies out of a check without a user", () => {
    expect(outcomes(times(8, row("t", "k", null)))).toEqual([...times(7, "allowed"), "denied"]);
  });

  it("applies policies that name the tenant or its plan to nobody else", () => {
    expect(outcomes(times(4, row("a b", "k", null)))).toEqual([...times(3, "allowed"), "denied"]);
    const manyKeys = Array.from({ length: 6 }, (_, key) => row("a b", String(key), null));
    expect(outcomes(manyKeys)).toEqual([...times(5, "allowed"), "denied"]);
  });

  it("charges no policy when one of them refuses", () => {
    const eve = times(6, row("a b", "k", "eve"));
    expect(outcomes([...eve, row("a b", "k", null), row("a b", "k", null)])).toEqual([
      ...times(2, "allowed"),
      ...times(4, "denied"),
      "allowed",
      "denied",
    ]);
  });

  it("calls a cost that no history could pay unsatisfiable", () => {
    expect(outcomes([row("a b", "k", null, 4), row("t", "k", null, 4)])).toEqual([
      "unsatisfiable",
      "allowed",
    ]);
  });
});
