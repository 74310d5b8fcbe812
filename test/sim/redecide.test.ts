import { describe, expect, it } from "vitest";
import { parsePolicies } from "../../admission/policy-schema.ts";
import type { Outcome } from "../../core/decision.ts";
import type { DecisionRow } from "../../sim/decision-log.ts";
import { OfflineDecider } from "../../sim/offline-decider.ts";
import { Redecision } from "../../sim/redecide.ts";

const document = parsePolicies(
  {
    version: 1,
    policies: [{ name: "per-key", dimension: "key", algorithm: "fixed-window", limit: 2, window: "10s" }],
  },
  "test",
);

/** What a region that saw `count` checks of one key, one a second, would have recorded. */
function recordingOf(region: string, count: number): DecisionRow[] {
  const decider = new OfflineDecider(document);
  return Array.from({ length: count }, (_, sequence) => {
    const nowUs = 1_700_000_000_000_000 + sequence * 1_000_000;
    const check = { tenant: "web", key: "k", user: null, cost: 1 };
    const moment = { nowUs, sequence: sequence + 100, region, atUs: nowUs, blind: false };
    return { ...check, ...moment, ...decider.decide(check, nowUs) };
  });
}

function redecided(rows: readonly DecisionRow[], reference?: (row: DecisionRow) => Outcome): Redecision {
  const redecision = new Redecision(document, reference && (() => ({ decide: reference })));
  for (const row of rows) redecision.add(row);
  return redecision;
}

describe("decisions made again", () => {
  const rows = [...recordingOf("eu", 20), ...recordingOf("us", 20)];

  it("agree with the recording, each region by itself", () => {
    const redecision = redecided(rows);
    expect(redecision).toMatchObject({ decisions: 40, disagreements: 0, blind: 0, examples: [] });
    expect(redecision.missing()).toBe(0);
    expect(Object.fromEntries(redecision.policies)).toEqual({
      "per-key": { decisions: 40, denied: 32, disagreements: 0, referenceDisagreements: 0 },
    });
  });

  it.each([
    ["outcome", { outcome: "allowed" }],
    ["policy", { policy: "another" }],
    ["remaining", { remaining: 1 }],
    ["wait", { retryAfterUs: 1 }],
  ] as const)("disagree about a %s that was changed", (_what, change) => {
    const changed = rows.with(5, { ...rows[5], ...change } as DecisionRow);
    const redecision = redecided(changed);
    expect(redecision.disagreements).toBe(1);
    expect(redecision.examples).toEqual([
      { row: changed[5], offline: expect.objectContaining({ outcome: "denied" }), reference: null },
    ]);
  });

  it("disagree where the recording lacks a decision, and say that one is missing", () => {
    const redecision = redecided(rows.toSpliced(1, 1));
    expect(redecision.disagreements).toBeGreaterThan(0);
    expect(redecision.missing()).toBe(1);
  });

  it("keep the first few disagreements and count them all", () => {
    const redecision = redecided(rows.map((row) => ({ ...row, policy: "another" })));
    expect(redecision.disagreements).toBe(40);
    expect(redecision.examples).toHaveLength(5);
  });

  it("are compared with a reference by outcome", () => {
    expect(redecided(rows, (row) => row.outcome).referenceDisagreements).toBe(0);
    const redecision = redecided(rows, () => "allowed");
    expect(redecision).toMatchObject({ disagreements: 0, referenceDisagreements: 32 });
    expect(redecision.policies.get("per-key")).toMatchObject({ referenceDisagreements: 32 });
  });

  it("leave out what no shard decided", () => {
    const blind = { ...rows[0], blind: true, outcome: "unsatisfiable" } as DecisionRow;
    expect(redecided([blind, ...rows])).toMatchObject({ blind: 1, decisions: 40, disagreements: 0 });
  });
});
