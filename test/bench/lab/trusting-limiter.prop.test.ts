import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALGORITHMS, type AlgorithmParams } from "../../../algorithms/algorithm.ts";
import { trustingLimiter } from "../../../bench/lab/trusting-limiter.ts";
import { Oracle } from "../../../bench/oracle.ts";
import { micros } from "../../../core/units.ts";

const WINDOW_US = micros(1_000);

function paramsOf(algorithm: AlgorithmParams["algorithm"], limit: number, burst: number): AlgorithmParams {
  return { algorithm, limit, windowUs: WINDOW_US, burst, subWindows: 3 };
}

const WRITTEN = ALGORITHMS.filter((algorithm) => trustingLimiter(paramsOf(algorithm, 1, 1)) !== undefined);

describe.each(WRITTEN)("a %s that believes the time it is told", (algorithm) => {
  it("decides by the book as long as there is one clock", () => {
    const gapsUs = fc.array(fc.oneof(fc.constant(0), fc.nat(20), fc.constantFrom(500, 1_000), fc.nat(400)), {
      minLength: 20,
      maxLength: 80,
    });
    fc.assert(
      fc.property(
        gapsUs,
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 8 }),
        (gaps, limit, burst) => {
          const params = paramsOf(algorithm, limit, burst);
          const limiter = trustingLimiter(params)!;
          const oracle = new Oracle(params);
          let nowUs = 5_000;
          for (const gapUs of gaps) {
            nowUs += gapUs;
            expect(limiter(nowUs)).toBe(oracle.decide(1, nowUs) === "allowed");
          }
        },
      ),
    );
  });
});

describe("limiters that believe the time they are told", () => {
  it("are six: what a leaky bucket would say, the token bucket says", () => {
    expect(WRITTEN).toHaveLength(6);
  });

  it("among them a token bucket that two clocks wind up without end", () => {
    const limiter = trustingLimiter(paramsOf("token-bucket", 5, 5))!;
    const admitted = Array.from({ length: 100 }, (_, i) => limiter(10_000 + (i % 2) * 1_000)).filter(Boolean);
    expect(admitted).toHaveLength(100);
  });
});
