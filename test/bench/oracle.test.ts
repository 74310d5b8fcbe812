import { describe, expect, it } from "vitest";
import type { AlgorithmName, AlgorithmParams } from "../../algorithms/algorithm.ts";
import {
  expectedDelayUs,
  expectedOutcome,
  mostAboveRate,
  mostInAnyWindow,
  mostInAnyWindowId,
  Oracle,
  type Admission,
} from "../../bench/oracle.ts";
import { micros, US_PER_S } from "../../core/units.ts";

const S = US_PER_S;

function params(algorithm: AlgorithmName, limit: number, windowS: number, burst?: number): AlgorithmParams {
  const required = { algorithm, limit, windowUs: micros(windowS * S) };
  return burst === undefined ? required : { ...required, burst };
}

/** How many of `count` asks of one unit at one moment the oracle admits. */
function admittedAt(oracle: Oracle, count: number, atS: number): number {
  const outcomes = Array.from({ length: count }, () => oracle.decide(1, Math.round(atS * S)));
  return outcomes.filter((outcome) => outcome === "allowed").length;
}

describe("the bucket definitions", () => {
  // One unit a second, capacity 5: the rows [second, cost, answer] that throttled and redis-cell agree on.
  const rows: [number, number, string][] = [
    [0, 6, "unsatisfiable"],
    [0, 1, "allowed"],
    [0, 1, "allowed"],
    [0, 1, "allowed"],
    [0, 1, "allowed"],
    [0, 1, "allowed"],
    [0, 1, "denied"],
    [3, 1, "allowed"],
    [3.1, 1, "allowed"],
    [4, 1, "allowed"],
    [8, 1, "allowed"],
    [9.5, 1, "allowed"],
    [9.5, 0, "allowed"],
    [9.5, 2, "allowed"],
    [9.5, 5, "denied"],
    [15, 6, "unsatisfiable"],
  ];

  it.each<AlgorithmName>(["gcra", "token-bucket", "leaky-bucket", "leaky-queue"])(
    "answer the core vector (%s)",
    (name) => {
      const oracle = new Oracle(params(name, 1, 1, 5));
      expect(rows.map(([atS, cost]) => [atS, cost, oracle.decide(cost, atS * S)])).toEqual(rows);
    },
  );

  it("are exact to the microsecond where the emission interval is no whole number", () => {
    // Three a second: T = 333,333⅓ µs, so the fourth unit is free after 333,334 µs, not a moment before.
    for (const name of ["gcra", "token-bucket", "leaky-bucket", "leaky-queue"] as const) {
      const oracle = new Oracle(params(name, 3, 1));
      expect(admittedAt(oracle, 4, 0)).toBe(3);
      expect(oracle.decide(1, 333_333)).toBe("denied");
      expect(oracle.decide(1, 333_334)).toBe("allowed");
    }
  });

  it("let a queued unit wait for all before it", () => {
    const queue = params("leaky-queue", 2, 1);
    const admissions = [{ atUs: 0, cost: 2 }];
    expect(
      [0, 1, 400_000, 999_999, 1_000_000].map((atUs) => expectedDelayUs(queue, admissions, atUs)),
    ).toEqual([1_000_000, 999_999, 600_000, 1, 0]);
    expect(expectedDelayUs(params("leaky-queue", 3, 1), [{ atUs: 0, cost: 1 }], 0)).toBe(333_334);
  });
});

describe("the window definitions", () => {
  it("give the fixed window its boundary burst: twice the limit in an instant", () => {
    const oracle = new Oracle(params("fixed-window", 100, 60));
    expect([admittedAt(oracle, 150, 59.95), admittedAt(oracle, 150, 60.05)]).toEqual([100, 100]);
    expect(mostInAnyWindow(oracle.admissions, 60 * S)).toBe(200);
    expect(mostInAnyWindow(oracle.admissions, 100_001)).toBe(200);
    expect(mostInAnyWindowId(oracle.admissions, 60 * S)).toBe(100);
  });

  it.each<AlgorithmName>(["sliding-log", "conservative-window"])("keep %s within the limit there", (name) => {
    const oracle = new Oracle(params(name, 100, 60));
    expect([admittedAt(oracle, 150, 59.95), admittedAt(oracle, 150, 60.05)]).toEqual([100, 0]);
    expect(mostInAnyWindow(oracle.admissions, 60 * S)).toBe(100);
  });

  it("have the log forget a unit exactly one window later", () => {
    const log = params("sliding-log", 1, 60);
    const admissions = [{ atUs: 5, cost: 1 }];
    expect([60 * S + 4, 60 * S + 5].map((atUs) => expectedOutcome(log, admissions, 1, atUs))).toEqual([
      "denied",
      "allowed",
    ]);
  });

  // Limit 10 a minute; units of this window, of the one before, share of this one elapsed, cost asked.
  it.each([
    [0, 0, 0, 1, "allowed"],
    [9, 0, 0, 1, "allowed"],
    [10, 0, 0, 0, "allowed"],
    [10, 0, 0, 1, "denied"],
    [5, 10, 0.5, 1, "denied"],
    [5, 10, 0.99, 1, "allowed"],
    [5, 10, 0.99, 5, "denied"],
    [0, 0, 0, 100, "unsatisfiable"],
  ])(
    "weigh the sliding counter's previous window: %d + %d·(1 − %d) + %d",
    (current, previous, elapsed, cost, answer) => {
      const nowUs = (2 + elapsed) * 60 * S;
      const admissions = [
        { atUs: 60 * S, cost: previous },
        { atUs: 120 * S, cost: current },
      ];
      expect(expectedOutcome(params("sliding-window", 10, 60), admissions, cost, nowUs)).toBe(answer);
    },
  );

  it("find 49.5 where 42 came before and 18 now, a quarter into the window", () => {
    const admissions = [
      { atUs: 60 * S, cost: 42 },
      { atUs: 120 * S, cost: 18 },
    ];
    const ask = (limit: number): string =>
      expectedOutcome(params("sliding-window", limit, 60), admissions, 1, 135 * S);
    expect([ask(50), ask(51)]).toEqual(["denied", "allowed"]);
  });

  it("show the sliding counter's own worst case: nearly twice the limit in one window", () => {
    const limit = 100;
    const oracle = new Oracle(params("sliding-window", limit, 60));
    // Everything at the end of one window, then whatever becomes free until just before a window has passed.
    admittedAt(oracle, limit, 59.999);
    for (let atS = 60; atS < 119.999; atS += 0.1) admittedAt(oracle, 5, atS);
    const most = mostInAnyWindow(oracle.admissions, 60 * S);
    expect(most).toBeGreaterThanOrEqual(2 * limit - 2);
    expect(most).toBeLessThanOrEqual(2 * limit);
  });

  it("keep the conservative window at or below the limit in the same storm", () => {
    const limit = 100;
    const oracle = new Oracle(params("conservative-window", limit, 60));
    for (let atS = 0; atS < 300; atS += 0.7) admittedAt(oracle, 3, atS);
    expect(mostInAnyWindow(oracle.admissions, 60 * S)).toBe(limit);
  });
});

describe("every definition", () => {
  const all: AlgorithmName[] = [
    "fixed-window",
    "sliding-log",
    "sliding-window",
    "conservative-window",
    "token-bucket",
    "leaky-bucket",
    "leaky-queue",
    "gcra",
  ];

  it.each(all)("lets %s peek for nothing, and never admits more than it can hold", (name) => {
    const oracle = new Oracle(params(name, 2, 1));
    expect([oracle.decide(0, 0), oracle.decide(3, 0), oracle.decide(2, 0), oracle.decide(0, 0)]).toEqual([
      "allowed",
      "unsatisfiable",
      "allowed",
      "allowed",
    ]);
    expect(oracle.admissions).toEqual([{ atUs: 0, cost: 2 }]);
    expect(new Oracle(params(name, 0, 1)).decide(1, 0)).toBe("unsatisfiable");
  });

  it.each(all)("mints nothing for %s when the clock steps back", (name) => {
    const oracle = new Oracle(params(name, 2, 1));
    expect(admittedAt(oracle, 5, 100)).toBe(2);
    expect(admittedAt(oracle, 5, 40)).toBe(0);
    expect(admittedAt(oracle, 5, 100)).toBe(0);
  });

  it.each(all)("remembers for %s what was charged without asking", (name) => {
    const oracle = new Oracle(params(name, 10, 1));
    oracle.charge(12, 0);
    expect(oracle.decide(1, 1)).toBe("denied");
  });
});

describe("the measures", () => {
  const admissions: Admission[] = [
    { atUs: 0, cost: 3 },
    { atUs: 10, cost: 2 },
    { atUs: 20, cost: 4 },
  ];

  it("exclude the unit exactly one window old", () => {
    expect([9, 10, 11, 21].map((windowUs) => mostInAnyWindow(admissions, windowUs))).toEqual([4, 4, 6, 9]);
  });

  it("find the burst that a rate would have needed", () => {
    // At 1 unit per 10 µs: 4 alone; 2 + 4 over 10 µs is 5 above; all 9 over 20 µs are 7 above.
    expect(mostAboveRate(admissions, 1, 10)).toBe(7);
    expect(mostAboveRate(admissions, 10, 10)).toBe(4);
    expect(mostAboveRate([], 1, 10)).toBe(0);
  });
});
