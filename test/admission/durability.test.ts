import { describe, expect, it } from "vitest";
import {
  capacityOf,
  crashBudget,
  describeCrash,
  horizonUs,
  takeoverUnits,
  type DurablePolicy,
} from "../../admission/durability.ts";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { micros, US_PER_S } from "../../core/units.ts";

const SECOND = micros(US_PER_S);
const MINUTE = micros(60 * US_PER_S);

function policy(over: Partial<DurablePolicy>): DurablePolicy {
  return { algorithm: "fixed-window", limit: 1_000, windowUs: MINUTE, ...over };
}

describe("crashBudget", () => {
  it("journals what takes longer than ten seconds to forget, and nothing else", () => {
    expect(crashBudget(policy({ windowUs: micros(10 * US_PER_S) }))).toEqual({
      isJournalled: false,
      unjournalledMax: Infinity,
      lentMax: Infinity,
      unitsAtTakeover: 1_000,
    });
    expect(crashBudget(policy({ windowUs: micros(10 * US_PER_S + 1) }))).toEqual({
      isJournalled: true,
      unjournalledMax: 50,
      lentMax: 0,
      unitsAtTakeover: 50,
    });
  });

  it("asks a bucket how long its burst lasts, not how long its window is", () => {
    // 10 of 100,000 a day are back in 9 s; 100 of them in 87 s.
    const daily = { algorithm: "gcra", limit: 100_000, windowUs: micros(86_400 * US_PER_S) } as const;
    expect(crashBudget({ ...daily, burst: 10 }).isJournalled).toBe(false);
    expect(crashBudget({ ...daily, burst: 100 })).toMatchObject({ isJournalled: true, unjournalledMax: 5 });
    // 10 a second, 600 at once: a minute to refill.
    expect(
      crashBudget(policy({ algorithm: "token-bucket", limit: 10, windowUs: SECOND, burst: 600 })),
    ).toEqual({
      isJournalled: true,
      unjournalledMax: 30,
      lentMax: 0,
      unitsAtTakeover: 30,
    });
  });

  it("rounds a twentieth up, and never to nothing", () => {
    const units = [1, 19, 20, 21, 40, 41].map((limit) => crashBudget(policy({ limit })).unjournalledMax);
    expect(units).toEqual([1, 1, 1, 2, 2, 3]);
  });

  it("keeps half of it for what other processes may be lent", () => {
    const lent = (limit: number) => crashBudget(policy({ limit, dimension: "org" }));
    expect(lent(1_000)).toMatchObject({ unjournalledMax: 25, lentMax: 25, unitsAtTakeover: 50 });
    expect(lent(20)).toMatchObject({ unjournalledMax: 1, lentMax: 1, unitsAtTakeover: 2 });
    expect(crashBudget(policy({ dimension: "user" }))).toMatchObject({ lentMax: 0, unitsAtTakeover: 50 });
  });

  it("charges nothing for a policy that starts fresh, and journals nothing", () => {
    expect(crashBudget(policy({ onCrash: "fresh" }))).toEqual({
      isJournalled: false,
      unjournalledMax: Infinity,
      lentMax: Infinity,
      unitsAtTakeover: 0,
    });
  });

  it.each(ALGORITHMS)("never charges a key of %s more than it can hold", (algorithm) => {
    for (const windowUs of [SECOND, MINUTE]) {
      for (const limit of [0, 1, 7, 100]) {
        const one = policy({ algorithm, windowUs, limit });
        expect(takeoverUnits(one, 1)).toBeLessThanOrEqual(limit);
        expect(takeoverUnits(one, 20)).toBe(limit);
        expect(takeoverUnits(one, 1_000)).toBe(limit);
        expect(capacityOf(one)).toBe(limit);
      }
    }
  });
});

describe("horizonUs", () => {
  it("is the window, or the time a full bucket takes to drain", () => {
    expect(horizonUs(policy({}))).toBe(MINUTE);
    expect(horizonUs(policy({ algorithm: "gcra", limit: 3, windowUs: SECOND, burst: 10 }))).toBe(3_333_334);
    expect(horizonUs(policy({ algorithm: "gcra", limit: 0, burst: 10 }))).toBe(0);
  });
});

describe("describeCrash", () => {
  it("says what a crash costs, in units and as a share", () => {
    expect(describeCrash(policy({}))).toBe(
      "a crash costs each key at most 50 units (5 % of 1000), and admits nothing twice",
    );
    expect(describeCrash(policy({ dimension: "org" }))).toBe(
      "a crash costs each key at most 50 units (5 % of 1000) and what checks were lent beyond 25, and admits nothing twice",
    );
    // Nothing costs more than a unit under such a limit.
    expect(describeCrash(policy({ dimension: "org", limit: 1 }))).toBe(
      "a crash costs each key at most 1 unit (100 % of 1), and admits nothing twice",
    );
    expect(describeCrash(policy({ limit: 7 }))).toMatch(/at most 1 unit \(14\.3 % of 7\)/);
    expect(describeCrash(policy({ windowUs: micros(250_000) }))).toMatch(/exhausted, for up to 250ms$/);
    expect(describeCrash(policy({ windowUs: micros(8 * US_PER_S) }))).toMatch(/exhausted, for up to 8s$/);
    expect(describeCrash(policy({ onCrash: "fresh" }))).toMatch(/up to 1000 more per key/);
    expect(describeCrash(policy({ limit: 0 }))).toMatch(/changes nothing/);
  });
});
