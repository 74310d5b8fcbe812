import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { MomentField } from "../../algorithms/modular-time.ts";
import { canRetune } from "../../algorithms/registry.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { after, anyParams, histories, isAccepted, magnitudes, START_US } from "./histories.ts";
import { NamedLimiter, verdictLine } from "./named-limiter.ts";

const BUCKETS = ["gcra", "token-bucket", "leaky-bucket"] as const;

it("is the token bucket and the leaky bucket, verdict for verdict, through debts and new limits", () => {
  const retunes = fc.array(fc.tuple(fc.nat({ max: 40 }), anyParams("gcra")), { maxLength: 5 });
  fc.assert(
    fc.property(histories(anyParams("gcra")), retunes, ({ params: first, steps }, changes) => {
      const limiters = BUCKETS.map((algorithm) => new NamedLimiter({ ...first, algorithm }));
      const verdicts = BUCKETS.map((): string[] => []);
      let params = first;
      let nowUs = START_US;
      for (const [index, { kind, cost, gap }] of steps.entries()) {
        nowUs = Math.max(nowUs, after(nowUs, gap));
        const debt = debtUnits(params, limiters[0]?.decide("k", 0, nowUs).resetAfterUs ?? 0);
        const changed = changes.find(([at]) => at === index)?.[1];
        const next = changed === undefined ? params : { ...changed, windowUs: params.windowUs };
        if (next !== params && isAccepted(next) && canRetune(params, next) && debt < unitsForgiven(next)) {
          for (const [i, algorithm] of BUCKETS.entries()) limiters[i]?.retune({ ...next, algorithm }, nowUs);
          params = next;
        }
        if (debt + cost > unitsForgiven(params)) continue;
        for (const [i, limiter] of limiters.entries()) {
          if (kind !== "decide") limiter[kind]("k", cost, nowUs);
          verdicts[i]?.push(verdictLine(limiter.decide("k", kind === "decide" ? cost : 0, nowUs)));
        }
      }
      const [ofGcra, ofTokens, ofLevel] = verdicts.map((lines) => lines.join("\n"));
      expect(ofTokens).toBe(ofGcra);
      expect(ofLevel).toBe(ofGcra);
    }),
    { numRuns: 3_000 },
  );
});

it.each(BUCKETS)("%s keeps its debt under a new limit, to the tick and rounded up", (algorithm) => {
  const numbers = fc.record({
    limits: fc.tuple(magnitudes(1, 1_000_000), magnitudes(1, 1_000_000)),
    windowUs: magnitudes(US_PER_S, 86_400 * US_PER_S).map(micros),
    spent: fc.double({ min: 0, max: 3, noNaN: true }),
    waited: fc.double({ min: 0, max: 2, noNaN: true }),
  });
  fc.assert(
    fc.property(numbers, ({ limits: [before, next], windowUs, spent, waited }) => {
      const limiter = new NamedLimiter({ algorithm, limit: before, windowUs });
      const [from, to] = [before, next].map((limit) => field({ algorithm, limit, windowUs }));
      if (from === undefined || to === undefined) return;
      const cost = Math.ceil(spent * before);
      const waitedUs = Math.floor(waited * windowUs);
      const ticks = BigInt(Math.max(0, cost * from.num - waitedUs * from.den));
      const kept = ceilDiv(ticks * BigInt(to.num), BigInt(from.num));
      // Beyond the horizon, of the old limit and of the new, debt is forgiven, by the buckets in whole units.
      if (cost * from.num > from.horizonTicks - from.num || kept > to.horizonTicks - to.num) return;

      limiter.charge("k", cost, START_US);
      limiter.retune({ algorithm, limit: next, windowUs }, START_US + waitedUs);

      const { resetAfterUs } = limiter.decide("k", 0, START_US + waitedUs);
      expect(resetAfterUs).toBe(Number(ceilDiv(kept, BigInt(to.den))));
    }),
    {
      numRuns: 3_000,
      examples: [
        [{ limits: [513, 1], windowUs: micros(11_593_853_782), spent: 2.9629629629629632, waited: 0 }],
        [
          {
            limits: [8_193, 1],
            windowUs: micros(715_896_181),
            spent: 2.9996338337605275,
            waited: 0.0001641522934734024,
          },
        ],
      ],
    },
  );
});

function ceilDiv(numerator: bigint, denominator: bigint): bigint {
  return (numerator + denominator - 1n) / denominator;
}

function field({ limit, windowUs, burst }: AlgorithmParams): MomentField {
  return new MomentField(limit, windowUs, burst ?? limit);
}

/** Beyond this debt is forgiven, at not quite the same place by the three. */
function unitsForgiven(params: AlgorithmParams): number {
  const { num, horizonTicks } = field(params);
  return Math.min(2 ** 31, Math.floor(horizonTicks / num)) - 1;
}

function debtUnits(params: AlgorithmParams, resetAfterUs: number): number {
  const { num, den } = field(params);
  return Math.ceil((resetAfterUs * den) / num);
}
