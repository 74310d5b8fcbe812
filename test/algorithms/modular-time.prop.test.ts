import * as fc from "fast-check";
import { expect, it } from "vitest";
import { MomentField } from "../../algorithms/modular-time.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { anyParams } from "./histories.ts";

/** A slot whose hash half must survive. */
const HASH_LOW = 0xbeef;

const fields = anyParams("gcra").map((params) => {
  const { limit, windowUs } = params;
  return { limit, windowUs, capacity: params.burst ?? limit };
});

/** Moments near the places where 32, 33 … 48 bits of microseconds wrap, and anywhere else. */
const moments = fc.oneof(
  fc
    .record({
      bits: fc.integer({ min: 32, max: 48 }),
      turns: fc.integer({ min: 1, max: 8 }),
      beside: fc.integer({ min: -3, max: 3 }),
    })
    .map(({ bits, turns, beside }) => 2 ** bits * turns + beside),
  fc.integer({ min: 0, max: 2 ** 51 }),
);

it("reads back every moment within the horizon, however the stored bits wrap", () => {
  fc.assert(
    fc.property(
      fields,
      moments,
      fc.integer({ min: -1_000, max: 1_000 }),
      fc.integer({ min: 0, max: 2_000 }),
      ({ limit, windowUs, capacity }, nowUs, ahead, later) => {
        const field = new MomentField(limit, windowUs, capacity);
        const words = new Uint32Array([1, (HASH_LOW << 16) >>> 0, 0]);
        const ticks = Math.trunc((field.horizonTicks / 1_000) * ahead);
        // Up to twice the horizon after it was stored, when the sweep must have looked at it.
        const laterUs = Math.trunc((field.staleAfterUs / 2_000) * later);
        field.store(words, 0, ticks, micros(nowUs));
        field.read(words, 0, micros(nowUs));
        expect(field.aheadTicks).toBe(ticks);
        field.read(words, 0, micros(nowUs + laterUs));
        expect(field.aheadTicks).toBe(ticks - laterUs * field.den);
        expect((words[1] as number) >>> 16).toBe(HASH_LOW);
      },
    ),
    { numRuns: 3_000 },
  );
});

it("holds a whole burst, and rounds the emission interval up by less than one tick or not at all", () => {
  fc.assert(
    fc.property(fields, ({ limit, windowUs, capacity }) => {
      const { num, den, horizonTicks } = new MomentField(limit, windowUs, capacity);
      const excess = BigInt(num) * BigInt(limit) - BigInt(windowUs) * BigInt(den);
      expect(excess >= 0n && excess < BigInt(limit)).toBe(true);
      expect(capacity * num).toBeLessThanOrEqual(horizonTicks);
    }),
    { numRuns: 3_000 },
  );
});

it("keeps at least 99.9 % of every rate up to 10^9 units a second", () => {
  const usual = fields.filter(({ limit, windowUs }) => limit <= 1_000 * windowUs);
  fc.assert(
    fc.property(usual, ({ limit, windowUs, capacity }) => {
      const { num, den } = new MomentField(limit, windowUs, capacity);
      expect((windowUs * den) / (num * limit)).toBeGreaterThan(0.999);
    }),
    { numRuns: 3_000 },
  );
});

it("is exact for every limit up to 10,000 per second and 256 per day", () => {
  const rates = fc.oneof(
    fc.record({ limit: fc.integer({ min: 1, max: 10_000 }), windowUs: fc.constant(US_PER_S) }),
    fc.record({ limit: fc.integer({ min: 1, max: 256 }), windowUs: fc.constant(86_400 * US_PER_S) }),
  );
  fc.assert(
    fc.property(rates, ({ limit, windowUs }) => {
      const { num, den } = new MomentField(limit, windowUs, limit);
      expect(num * limit).toBe(windowUs * den);
    }),
    { numRuns: 2_000 },
  );
});
