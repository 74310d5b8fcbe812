import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ALGORITHMS,
  type Algorithm,
  type AlgorithmName,
  type AlgorithmParams,
} from "../../algorithms/algorithm.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { Verdict } from "../../core/decision.ts";
import { micros } from "../../core/units.ts";
import { answerLine, FormulaKey, strikeNewest } from "./formulas.ts";
import { after, anyParams, exactParams, histories, START_US } from "./histories.ts";
import { NamedLimiter } from "./named-limiter.ts";

describe.each(ALGORITHMS)("%s", (name) => {
  it("decides as its formula says", () => {
    fc.assert(
      fc.property(histories(exactParams(name)), ({ params, steps }) => {
        const limiter = new NamedLimiter(params);
        const formula = new FormulaKey(params);
        const answers: string[] = [];
        const expected: string[] = [];
        let nowUs = START_US;
        for (const { kind, cost, gap } of steps) {
          nowUs = Math.max(nowUs, after(nowUs, gap));
          if (kind !== "decide") {
            limiter[kind]("k", cost, nowUs);
            formula[kind](cost, nowUs);
          } else {
            answers.push(answerLine(limiter.decide("k", cost, nowUs)));
            expected.push(formula.decide(cost, nowUs));
          }
        }
        expect(answers.join("\n")).toBe(expected.join("\n"));
      }),
      { numRuns: 1_000 },
    );
  });

  it("commits after an evaluation of any cost what a charge would have charged", () => {
    fc.assert(
      fc.property(histories(anyParams(name)), fc.nat(), ({ params, steps }, other) => {
        const committing = new TwoKeys(params);
        const charging = new TwoKeys(params);
        const answers: [string, string][] = [];
        let nowUs = START_US;
        for (const [index, { kind, cost, gap }] of steps.entries()) {
          nowUs = Math.max(nowUs, after(nowUs, gap));
          const key = (other >> (index % 30)) & 1;
          if (cost > 0) {
            // What was read of the other key must not be taken for this one's.
            if (kind === "refund") committing.peek(1 - key, cost, nowUs);
            committing.peek(key, kind === "decide" ? cost : 0, nowUs);
            committing.algorithm.commit(committing.words[key] as Uint32Array, 0, cost, micros(nowUs));
            charging.algorithm.charge(charging.words[key] as Uint32Array, 0, cost, micros(nowUs));
          }
          for (const of of [0, 1]) answers.push([committing.peek(of, 1, nowUs), charging.peek(of, 1, nowUs)]);
        }
        expect(answers.map(([committed]) => committed)).toEqual(answers.map(([, charged]) => charged));
      }),
      { numRuns: 500 },
    );
  });

  it("tells the exact wait to whoever is denied, at any rate", () => {
    fc.assert(
      fc.property(histories(anyParams(name)), fc.nat(), ({ params, steps }, patience) => {
        const algorithm = createAlgorithm(params);
        const words = new Uint32Array(2 + algorithm.stateWords);
        const verdict = new Verdict();
        const ask = (cost: number, nowUs: number): Verdict => {
          algorithm.evaluate(words, 0, cost, micros(nowUs), verdict);
          return verdict;
        };
        const waits: string[] = [];
        let nowUs = START_US;
        algorithm.open(words, 0, micros(nowUs));
        for (const [index, { kind, cost, gap }] of steps.entries()) {
          nowUs = Math.max(nowUs, after(nowUs, gap));
          const { outcome, retryAfterUs } = ask(cost, nowUs);
          if (outcome === "denied" && (patience >> (index % 30)) & 1) {
            const early = ask(cost, nowUs + retryAfterUs - 1).outcome;
            const onTime = ask(cost, nowUs + retryAfterUs).outcome;
            waits.push(
              `${Number.isSafeInteger(retryAfterUs) ? "a whole number" : retryAfterUs}: ${early}, ${onTime}`,
            );
            nowUs += retryAfterUs;
          }
          if (kind === "refund") algorithm.refund(words, 0, cost, micros(nowUs));
          else if (verdict.outcome === "allowed" || kind === "charge")
            algorithm.charge(words, 0, cost, micros(nowUs));
        }
        expect(waits.filter((wait) => wait !== "a whole number: denied, allowed")).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it("never admits more, beyond what is given back, than its published envelope", () => {
    fc.assert(
      fc.property(histories(anyParams(name)), ({ params, steps }) => {
        const limiter = new NamedLimiter(params);
        const log: Admission[] = [];
        let nowUs = START_US;
        for (const { kind, cost, gap } of steps) {
          nowUs = Math.max(nowUs, after(nowUs, gap));
          if (kind === "refund") {
            limiter.refund("k", cost, nowUs);
            strikeNewest(log, cost);
            continue;
          }
          const isAllowed = limiter.decide("k", cost, nowUs).outcome === "allowed";
          if (isAllowed && cost > 0) log.push({ atUs: nowUs, cost });
        }
        expect(mostOverEnvelope(params, log)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Two keys of one algorithm, without a table. */
class TwoKeys {
  readonly algorithm: Algorithm;
  readonly words: readonly Uint32Array[];
  readonly #verdict = new Verdict();

  constructor(params: AlgorithmParams) {
    this.algorithm = createAlgorithm(params);
    this.words = [0, 1].map(() => new Uint32Array(2 + this.algorithm.stateWords));
    for (const words of this.words) this.algorithm.open(words, 0, micros(START_US));
  }

  peek(key: number, cost: number, nowUs: number): string {
    this.algorithm.evaluate(this.words[key] as Uint32Array, 0, cost, micros(nowUs), this.#verdict);
    return answerLine(this.#verdict);
  }
}

interface Admission {
  readonly atUs: number;
  readonly cost: number;
}

/** Units admitted beyond the envelope in the worst of all spans between two admissions. */
function mostOverEnvelope(
  { algorithm, limit, windowUs, burst }: AlgorithmParams,
  log: readonly Admission[],
): number {
  let worst = 0;
  for (const [first, { atUs: fromUs }] of log.entries()) {
    let admitted = 0;
    for (const { atUs, cost } of log.slice(first)) {
      admitted += cost;
      const spanUs = atUs - fromUs;
      const bound = ENVELOPES[algorithm]({ limit, windowUs, burst: burst ?? limit, fromUs, spanUs });
      worst = Math.max(worst, admitted - bound);
    }
  }
  return worst;
}

interface Span {
  readonly limit: number;
  readonly windowUs: number;
  readonly burst: number;
  readonly fromUs: number;
  readonly spanUs: number;
}

const bucketEnvelope = ({ limit, windowUs, burst, spanUs }: Span): number =>
  burst + Number((BigInt(spanUs) * BigInt(limit)) / BigInt(windowUs));

/** What a span may admit at most; Infinity where nothing is promised about its length. */
const ENVELOPES: Record<AlgorithmName, (span: Span) => number> = {
  "fixed-window": ({ limit, windowUs, fromUs, spanUs }) =>
    spanUs < windowUs - (fromUs % windowUs) ? limit : spanUs < windowUs ? 2 * limit : Infinity,
  "sliding-log": ({ limit, windowUs, spanUs }) => (spanUs < windowUs ? limit : Infinity),
  "conservative-window": ({ limit, windowUs, spanUs }) => (spanUs < windowUs ? limit : Infinity),
  "sliding-window": ({ limit, windowUs, spanUs }) => (spanUs < windowUs ? 2 * limit : Infinity),
  gcra: bucketEnvelope,
  "token-bucket": bucketEnvelope,
  "leaky-bucket": bucketEnvelope,
  "leaky-queue": bucketEnvelope,
};
