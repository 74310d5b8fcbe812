import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALGORITHMS, type AlgorithmParams } from "../../algorithms/algorithm.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { answerLine, FormulaKey } from "./formulas.ts";
import { after, anyParams, exactParams, histories, START_US, usualGaps, type Gap } from "./histories.ts";
import { NamedLimiter, verdictLine } from "./named-limiter.ts";

/** Times stay whole microseconds that a double holds. */
const LATEST_US = 2 ** 52;
const SLOTS_AT_A_TIME = 7;

/**
 * Silences around the places where stored times wrap, in eighths of `staleAfterUs`: 8 of them are nearly 2^15
 * windows or a quarter of a moment's modulus, 16 and 32 the places where the two come round.
 */
function longSilences(params: AlgorithmParams): fc.Arbitrary<Gap> {
  const { staleAfterUs } = createAlgorithm(params);
  const eighthUs = staleAfterUs === Infinity ? params.windowUs : Math.floor(staleAfterUs / 8);
  const silence = fc
    .record({
      eighths: fc.constantFrom(1, 2, 3, 4, 8, 15, 16, 17, 32),
      beside: fc.integer({ min: -2, max: 2 }),
    })
    .map(({ eighths, beside }) => ({ us: Math.max(0, eighths * eighthUs + beside) }));
  return fc.oneof(usualGaps(params), usualGaps(params), silence);
}

function steppingBack(params: AlgorithmParams): fc.Arbitrary<Gap> {
  const back = fc.integer({ min: 0, max: 3 * params.windowUs }).map((us) => ({ us: -us }));
  return fc.oneof(usualGaps(params), back);
}

describe.each(ALGORITHMS)("%s", (name) => {
  it("forgets only what makes no difference, however it is swept and however long keys are silent", () => {
    fc.assert(
      fc.property(histories(exactParams(name), longSilences), ({ params, steps }) => {
        const sweeps: ((limiter: NamedLimiter, nowUs: number) => void)[] = [
          () => {},
          (limiter, nowUs) => limiter.sweep(nowUs),
          (limiter, nowUs) => limiter.sweep(nowUs, SLOTS_AT_A_TIME),
        ];
        const limiters = sweeps.map(() => new NamedLimiter(params));
        const answers = sweeps.map((): string[] => []);
        const expected: string[] = [];
        const formulas = [0, 1, 2].map(() => new FormulaKey(params));
        let nowUs = START_US;
        for (const { kind, key, cost, gap } of steps) {
          nowUs = Math.min(LATEST_US, Math.max(nowUs, after(nowUs, gap)));
          const formula = formulas[key] as FormulaKey;
          if (kind !== "decide") formula[kind](cost, nowUs);
          else expected.push(formula.decide(cost, nowUs));
          for (const [i, limiter] of limiters.entries()) {
            if (kind !== "decide") limiter[kind](String(key), cost, nowUs);
            else answers[i]?.push(answerLine(limiter.decide(String(key), cost, nowUs)));
            sweeps[i]?.(limiter, nowUs);
          }
        }
        for (const lines of answers) expect(lines.join("\n")).toBe(expected.join("\n"));
      }),
      { numRuns: 800 },
    );
  });

  it("takes a clock that steps back for one that stands still", () => {
    fc.assert(
      fc.property(histories(anyParams(name), steppingBack), ({ params, steps }) => {
        const limiter = new NamedLimiter(params);
        const steady = new NamedLimiter(params);
        const answers: string[] = [];
        const expected: string[] = [];
        let nowUs = START_US;
        let latestUs = 0;
        for (const { kind, key, cost, gap } of steps) {
          nowUs = after(nowUs, gap);
          latestUs = Math.max(latestUs, nowUs);
          if (kind !== "decide") {
            limiter[kind](String(key), cost, nowUs);
            steady[kind](String(key), cost, latestUs);
          } else {
            answers.push(verdictLine(limiter.decide(String(key), cost, nowUs)));
            expected.push(verdictLine(steady.decide(String(key), cost, latestUs)));
          }
          limiter.sweep(nowUs, 1);
        }
        expect(answers.join("\n")).toBe(expected.join("\n"));
      }),
      { numRuns: 300 },
    );
  });

  it("keeps many keys apart in one table, as a limiter for each would", () => {
    const traffic = fc.array(fc.tuple(fc.nat({ max: 300 }), fc.nat({ max: 3 }), fc.nat({ max: 2_000 })), {
      minLength: 200,
      maxLength: 600,
    });
    fc.assert(
      fc.property(exactParams(name), traffic, (params, checks) => {
        const together = new NamedLimiter(params);
        const apart = new Map<number, NamedLimiter>();
        const answers: string[] = [];
        const expected: string[] = [];
        let nowUs = START_US;
        for (const [key, cost, gapUs] of checks) {
          nowUs += gapUs;
          const alone = apart.get(key) ?? new NamedLimiter(params);
          apart.set(key, alone);
          answers.push(verdictLine(together.decide(`key ${key}`, cost, nowUs)));
          expected.push(verdictLine(alone.decide("alone", cost, nowUs)));
          together.sweep(nowUs, 3);
        }
        expect(answers.join("\n")).toBe(expected.join("\n"));
      }),
      { numRuns: 20 },
    );
  });
});
