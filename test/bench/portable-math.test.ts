import { describe, expect, it } from "vitest";
import { exp, ln } from "../../bench/portable-math.ts";
import { Prng } from "../../core/prng.ts";

describe("portable ln and exp", () => {
  it("agree with the engine's own to a few units in the last place", () => {
    const prng = new Prng(7);
    let worstExp = 0;
    let worstLn = 0;
    for (let round = 0; round < 100_000; round += 1) {
      const power = (prng.fraction() - 0.5) * 200;
      const x = Math.exp(power);
      worstExp = Math.max(worstExp, Math.abs(exp(power) / x - 1));
      worstLn = Math.max(worstLn, Math.abs(ln(x) - Math.log(x)) / Math.max(1, Math.abs(power)));
    }
    expect(worstExp).toBeLessThanOrEqual(2 * Number.EPSILON);
    expect(worstLn).toBeLessThanOrEqual(2 * Number.EPSILON);
  });

  it("are exact where the answer is a whole number, and at the ends of their range", () => {
    expect([ln(1), exp(0), exp(-800), exp(800)]).toEqual([0, 1, 0, Infinity]);
  });

  it("give these very bits on every machine", () => {
    const values = Float64Array.of(ln(3), ln(1e-9), exp(1), exp(-20.5));
    expect([...new BigUint64Array(values.buffer)]).toEqual([
      0x3ff193ea7aad030bn,
      0xc034b927f32bffb8n,
      0x4005bf0a8b14576an,
      0x3e157a3afeed00acn,
    ]);
  });
});
