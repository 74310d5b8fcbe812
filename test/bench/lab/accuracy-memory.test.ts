import { beforeAll, describe, expect, it } from "vitest";
import { accuracyMemory } from "../../../bench/lab/accuracy-memory.ts";
import type { Finding } from "../../../bench/lab/experiment.ts";

let rows: readonly Finding[];
beforeAll(async () => {
  rows = await accuracyMemory.run({ isQuick: true, seed: 2, progress: () => undefined });
});

function of(limiter: string): readonly Finding[] {
  const found = rows.filter((row) => String(row["limiter"]).startsWith(limiter));
  expect(found.length).toBeGreaterThan(0);
  return found;
}

function refusedPct(limiter: string): readonly number[] {
  return of(limiter).map((row) => Number(row["refused_pct"]));
}

function counterOverPct(traffic: string, limit: number): number {
  const row = of("sliding counter").find((each) => each["traffic"] === traffic && each["limit"] === limit);
  return Number(row?.["over_admit_pct"]);
}

describe("accuracy against memory, under another seed", () => {
  it("finds no error in the log, which holds every event", () => {
    for (const row of of("sliding log")) {
      expect(row).toMatchObject({ over_admit_pct: 0, under_admit_pct: 0, unlike_log_pct: 0 });
    }
  });

  it("never finds the conservative window over the limit, and refusing more with fewer sub-windows", () => {
    for (const row of of("conservative window")) expect(row["over_admit_pct"]).toBe(0);
    const many = refusedPct("conservative window, n = 50");
    for (const [i, pct] of refusedPct("conservative window, n = 4").entries())
      expect(pct).toBeGreaterThanOrEqual(many[i]!);
  });

  it("finds the fixed window refusing nothing needlessly, and never beyond twice the limit", () => {
    for (const row of of("fixed window")) {
      expect(row["under_admit_pct"]).toBe(0);
      expect(row["over_admit_pct"]).toBeLessThanOrEqual(100);
    }
  });

  it("finds the sliding counter's error fading with the limit on steady traffic, and not on bursts", () => {
    expect(counterOverPct("steady", 10)).toBeGreaterThan(20);
    expect(counterOverPct("steady", 1_000)).toBeLessThan(4);
    expect(counterOverPct("spiky", 1_000)).toBeGreaterThan(10);
  });
});
