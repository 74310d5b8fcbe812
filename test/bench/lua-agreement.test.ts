/** The comparison itself: it must see a difference in any number, and draw what limiters break at. */
import { expect, it } from "vitest";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { decideLocally, differences, type Decided } from "../../bench/lua-agreement.ts";
import { isExactOnBothSides, randomParams, randomQuestions } from "../../bench/twin-history.ts";
import { Verdict } from "../../core/decision.ts";
import { ParlError } from "../../core/errors.ts";
import { Prng } from "../../core/prng.ts";
import { micros, US_PER_S } from "../../core/units.ts";

const PARAMS = { algorithm: "gcra", limit: 5, windowUs: micros(US_PER_S) } as const;
const T0 = 1_700_000_000 * US_PER_S;

function asks(...steps: readonly (readonly [cost: number, atUs: number, comesBackUs?: number])[]): Decided[] {
  return decideLocally(
    PARAMS,
    steps.map(([cost, atUs, comesBackUs]) => ({
      mode: "check",
      key: 0,
      cost,
      nowUs: T0 + atUs,
      ...(comesBackUs === undefined ? {} : { comesBackUs }),
    })),
  );
}

function moments(decided: readonly Decided[]): number[] {
  return decided.map(({ question }) => question.nowUs - T0);
}

function copied({ verdict }: Decided): Verdict {
  const copy = new Verdict();
  copy.copyFrom(verdict);
  return copy;
}

it("finds a difference in any field of any answer, and shows how it came about", () => {
  const decided = asks([3, 0], [3, 0], [1, 10]);
  const same = decided.map(copied);
  expect(differences(PARAMS, decided, same)).toEqual([]);
  for (const field of ["limit", "remaining", "retryAfterUs", "resetAfterUs", "delayUs"] as const) {
    const other = decided.map(copied);
    other[1]![field] += 1;
    const [found, ...more] = differences(PARAMS, decided, other);
    expect(more).toEqual([]);
    expect(found?.questions).toHaveLength(2);
  }
  const outcome = decided.map(copied);
  outcome[2]!.outcome = "denied";
  expect(differences(PARAMS, decided, outcome)).toHaveLength(1);
});

it("takes an error, or no answer, for a difference", () => {
  const decided = asks([1, 0], [1, 0]);
  const answers = [copied(decided[0]!), new ParlError("PARL_UNAVAILABLE", "gone")];
  expect(differences(PARAMS, decided, answers)).toMatchObject([{ redis: "gone" }]);
  expect(differences(PARAMS, decided, answers.slice(0, 1))).toHaveLength(1);
});

it("lets the clock step back only from a moment that was charged", () => {
  expect(moments(asks([1, 100], [1, 40], [1, 30]))).toEqual([100, 40, 30]);
  // A peek and a denial are seen by the key table and leave no trace in Redis.
  expect(moments(asks([1, 100], [0, 200], [1, 40]))).toEqual([100, 200, 200]);
  expect(moments(asks([5, 100], [5, 200], [1, 40]))).toEqual([100, 200, 200]);
});

it("comes back for what was denied at the moment it was told, and beside it", () => {
  const outcomes = [-1, 0, 1].map((comesBackUs) => {
    const [, denied, back] = asks([5, 0], [2, 0], [2, 0, comesBackUs]) as [Decided, Decided, Decided];
    expect(back.question.nowUs).toBe(T0 + denied.verdict.retryAfterUs + comesBackUs);
    return back.verdict.outcome;
  });
  expect(outcomes).toEqual(["denied", "allowed", "allowed"]);
});

it("draws the same for the same seed", () => {
  for (const algorithm of ALGORITHMS) {
    const drawn = [1, 1, 2].map((seed) => {
      const prng = new Prng(seed);
      const params = randomParams(algorithm, prng);
      return JSON.stringify([params, randomQuestions(params, prng, { length: 50, keys: 3 })]);
    });
    expect(drawn[0]).toBe(drawn[1]);
    expect(drawn[0]).not.toBe(drawn[2]);
  }
});

it("draws only policies whose numbers both sides keep exactly", () => {
  // One of 2^16 ticks a microsecond, for which the key table's moments have no bits.
  const rounded = { algorithm: "gcra", limit: 65_537, windowUs: micros(1_000_003) } as const;
  expect(isExactOnBothSides(rounded)).toBe(false);
  expect(isExactOnBothSides({ ...rounded, algorithm: "fixed-window" })).toBe(true);
  expect(isExactOnBothSides({ ...rounded, limit: 0 })).toBe(true);
  const heavy = {
    algorithm: "sliding-window",
    limit: 2 ** 31 - 1,
    windowUs: micros(3_600 * US_PER_S),
  } as const;
  expect(isExactOnBothSides(heavy)).toBe(false);
});
