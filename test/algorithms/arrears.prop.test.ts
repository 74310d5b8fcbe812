import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALGORITHMS, type AlgorithmParams } from "../../algorithms/algorithm.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { after, exactParams, histories, START_US, usualGaps, type Gap } from "./histories.ts";
import { NamedLimiter, verdictLine } from "./named-limiter.ts";
import { adoptAll, decided, newLimiter, pagesOf, peeked } from "./travelling.ts";

const KEYS = ["0", "1", "2", "stranger"];

/** Before which steps of a history, and for how much of the capacity. */
const crashes = fc.array(
  fc.record({
    step: fc.nat({ max: 20 }),
    share: fc.constantFrom(0.05, 0.5, 1),
  }),
  { minLength: 1, maxLength: 3 },
);

function oftenAtOnce(params: AlgorithmParams): fc.Arbitrary<Gap> {
  return fc.oneof(fc.constantFrom({ us: 0 }, { us: 1 }), usualGaps(params));
}

describe.each(ALGORITHMS)("%s", (name) => {
  it("judges keys never seen as if each had been charged when it was due", () => {
    fc.assert(
      fc.property(histories(exactParams(name), oftenAtOnce), crashes, ({ params, steps }, someCrashes) => {
        const limiter = new NamedLimiter(params);
        const charged = new NamedLimiter(params);
        const capacity = limiter.table.algorithm.capacity;
        let nowUs = START_US;
        for (const [index, { kind, key, cost, gap }] of steps.entries()) {
          for (const { step, share } of someCrashes) {
            if (step !== index) continue;
            const arrears = { units: Math.max(1, Math.ceil(share * capacity)), atUs: micros(nowUs) };
            limiter.table.chargeAll(arrears);
            limiter.table.setArrears(arrears);
            for (const each of KEYS) charged.charge(each, arrears.units, arrears.atUs);
          }
          nowUs = Math.max(nowUs, after(nowUs, gap));
          if (kind === "charge") for (const each of [limiter, charged]) each.charge(String(key), cost, nowUs);
          else
            expect(verdictLine(limiter.decide(String(key), cost, nowUs))).toBe(
              verdictLine(charged.decide(String(key), cost, nowUs)),
            );
          limiter.sweep(nowUs, 5);
        }
        for (const key of KEYS) expect(limiter.decide(key, 0, nowUs)).toEqual(charged.decide(key, 0, nowUs));
      }),
      { numRuns: 400 },
    );
  });

  it("counts from when it happened, not from when it is told", () => {
    const params: AlgorithmParams = { algorithm: name, limit: 10, windowUs: micros(10 * US_PER_S) };
    const charged = new NamedLimiter(params);
    charged.charge("k", 6, START_US);
    const limiter = new NamedLimiter(params);
    for (const each of [charged, limiter]) each.charge("other", 1, START_US + 2_500_000);
    limiter.table.setArrears({ units: 6, atUs: micros(START_US) });
    for (const afterS of [2.5, 5, 9.999999, 10, 11]) {
      const nowUs = START_US + afterS * US_PER_S;
      expect(limiter.decide("k", 0, nowUs)).toEqual(charged.decide("k", 0, nowUs));
    }
  });

  it("lets nobody have more than what is left until all has drained, and then ends", () => {
    const params: AlgorithmParams = { algorithm: name, limit: 10, windowUs: micros(10 * US_PER_S) };
    const limiter = newLimiter(params);
    limiter.setArrears({ units: 7, atUs: micros(START_US) });
    expect(peeked(limiter, { high: 5, low: 9 }, START_US).remaining).toBe(3);
    const admitted = Array.from({ length: 12 }, (_, key) => {
      const answers = Array.from({ length: 5 }, () =>
        decided(limiter, { high: 10 + key, low: 7 }, 1, START_US),
      );
      return answers.filter((answer) => answer.includes("allowed")).length;
    });
    expect(admitted).toEqual(admitted.map(() => 3));
    const { resetAfterUs } = peeked(limiter, { high: 5, low: 9 }, START_US);
    expect(resetAfterUs).toBeGreaterThan(0);
    expect(peeked(limiter, { high: 5, low: 9 }, START_US + resetAfterUs - 1).resetAfterUs).toBe(1);
    expect(peeked(limiter, { high: 5, low: 9 }, START_US + resetAfterUs).resetAfterUs).toBe(0);
  });

  it("keeps what is left of a first crash when there is a second, also elsewhere", () => {
    const params: AlgorithmParams = { algorithm: name, limit: 10, windowUs: micros(10 * US_PER_S) };
    const first = newLimiter(params);
    first.setArrears({ units: 4, atUs: micros(START_US) });
    const second = newLimiter(params);
    adoptAll(second, pagesOf(first, params), START_US + 1);
    second.setArrears({ units: 5, atUs: micros(START_US + 1) });
    expect(peeked(second, { high: 5, low: 9 }, START_US + 1).remaining).toBe(1);
    second.clear();
    expect(peeked(second, { high: 5, low: 9 }, START_US + 1).remaining).toBe(10);
  });

  it("drains at another rate, or under another limit, from the moment that is in force", () => {
    const params: AlgorithmParams = { algorithm: name, limit: 10, windowUs: micros(10 * US_PER_S) };
    const limiter = new NamedLimiter(params);
    limiter.table.setArrears({ units: 8, atUs: micros(START_US) });
    limiter.charge("seen", 0, START_US);
    const charged = new NamedLimiter(params);
    charged.charge("k", 8, START_US);
    for (const [limit, atUs] of [
      [20, START_US + 1_000_000],
      [5, START_US + 3_000_000],
    ] as const) {
      for (const each of [limiter, charged]) each.retune({ ...params, limit }, atUs);
      expect(limiter.decide("k", 0, atUs)).toEqual(charged.decide("k", 0, atUs));
    }
  });

  it.each([6, 7, 10, 11])(
    "are forgotten before their times can be misread, after %i quarters",
    (quarters) => {
      const params: AlgorithmParams = { algorithm: name, limit: 10, windowUs: micros(1_000) };
      const limiter = newLimiter(params);
      const { staleAfterUs } = limiter.algorithm;
      const quarterUs = staleAfterUs === Infinity ? params.windowUs : staleAfterUs / 4;
      const fromUs = START_US + 600;
      limiter.setArrears({ units: 10, atUs: micros(fromUs) });
      limiter.charge(1, 1, 2, micros(fromUs));
      // The one key there is survives every sweep, so that nobody asks what keys never seen owe.
      for (let quarter = 1; quarter <= quarters; quarter += 1) {
        const dueUs = fromUs + Math.ceil(quarter * quarterUs);
        limiter.charge(1, 1, 2, micros(dueUs - 1));
        limiter.charge(1, 1, 2, micros(dueUs));
      }
      const nowUs = fromUs + Math.ceil(quarters * quarterUs) + 1;
      expect(peeked(limiter, { high: 5, low: 9 }, nowUs).remaining).toBe(10);
    },
  );
});
