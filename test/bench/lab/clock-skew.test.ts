import { beforeAll, describe, expect, it } from "vitest";
import { clockSkew } from "../../../bench/lab/clock-skew.ts";
import type { Finding } from "../../../bench/lab/experiment.ts";

const BUCKETS = ["token-bucket", "leaky-bucket", "leaky-queue", "gcra"];

let rows: readonly Finding[];
beforeAll(async () => {
  rows = await clockSkew.run({ isQuick: true, seed: 2, progress: () => undefined });
});

function of(clock: string, algorithm: string, scene = ""): readonly Finding[] {
  const found = rows.filter(
    (row) =>
      String(row["clock"]).endsWith(clock) &&
      row["algorithm"] === algorithm &&
      String(row["scene"]).startsWith(scene),
  );
  expect(found.length).toBeGreaterThan(0);
  return found;
}

function numberOf(row: Finding | undefined, column: string): number {
  return Number(row?.[column]);
}

describe("clock skew, under another seed", () => {
  it.each(["sliding-log", ...BUCKETS])("finds %s exact and fair under one clock", (algorithm) => {
    for (const row of of("the server's", algorithm))
      expect(row).toMatchObject({ over_admit_pct: 0, under_admit_pct: 0 });
    const [both] = of("the server's", algorithm, "both");
    const unfair = numberOf(both, "slow_admitted_pct") - numberOf(both, "fast_admitted_pct");
    expect(Math.abs(unfair)).toBeLessThan(3);
  });

  it("finds a believing GCRA starving the slow client, and a believing token bucket letting everything through", () => {
    const [gcra] = of("believed", "gcra", "both");
    expect(numberOf(gcra, "slow_admitted_pct")).toBeLessThan(1);
    expect(numberOf(gcra, "over_admit_pct")).toBe(0);
    const [token] = of("believed", "token-bucket", "both");
    expect(numberOf(token, "slow_admitted_pct")).toBeGreaterThan(95);
    expect(numberOf(token, "over_admit_pct")).toBeGreaterThan(1_000);
  });

  it.each(BUCKETS)(
    "finds that a running maximum in the key table lets %s mint no more than what flows in four seconds",
    (algorithm) => {
      const [, comesAndGoes] = of("key table", algorithm);
      expect(numberOf(comesAndGoes, "over_admit_pct")).toBeGreaterThan(0);
      for (const row of of("key table", algorithm)) {
        expect(numberOf(row, "over_admit_pct")).toBeLessThanOrEqual((100 * 40) / 20);
      }
    },
  );

  it.each(BUCKETS)(
    "finds that %s in Redis mints more, by the expiry of keys and by nothing else",
    (algorithm) => {
      const [tableAlways, tableComesAndGoes] = of("key table", algorithm);
      const [always, comesAndGoes] = of("Redis scripts", algorithm);
      expect(always).toEqual({ ...tableAlways, clock: always?.["clock"] });
      expect(numberOf(comesAndGoes, "over_admit_pct")).toBeGreaterThan(
        numberOf(tableComesAndGoes, "over_admit_pct") + 20,
      );
      const [, kept] = of("keys for 10 s", algorithm);
      expect(kept).toEqual({ ...tableComesAndGoes, clock: kept?.["clock"] });
    },
  );

  it("finds the slow client behind under a running maximum, but not starved", () => {
    for (const algorithm of BUCKETS) {
      const [both] = of("key table", algorithm, "both");
      expect(numberOf(both, "slow_admitted_pct")).toBeLessThan(numberOf(both, "fast_admitted_pct") / 2);
      expect(numberOf(both, "slow_longest_wait_s")).toBeLessThan(10);
    }
  });
});
