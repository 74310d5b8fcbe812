/** The cases about usage that nobody asked for: reported after the fact, or given back. */
import { expect } from "vitest";
import { UNITS_MAX } from "../../algorithms/registry.ts";
import { US_PER_MS, US_PER_S } from "../../core/units.ts";
import { T0, WINDOW_US, type Case } from "./bench.ts";
import { DEBT_WAIT_MS, OWE_LONGER } from "./limiter-rows.ts";

export const USAGE_CASES: readonly Case[] = [
  {
    title: "a report beyond the limit becomes debt",
    run: async (bench) => {
      const limiter = await bench.limiter();
      await limiter.report("k", 15, T0);
      expect(await limiter.decide("k", 0, T0)).toMatchObject({ outcome: "allowed", remaining: 0 });
      const denied = await bench.expectExactDenial(limiter, "k", 1, T0);
      expect(denied).toMatchObject({ remaining: 0, retryAfterUs: DEBT_WAIT_MS[bench.algorithm] * US_PER_MS });
    },
  },
  {
    title: "whatever is reported, a key is as new after two windows, or two full bursts",
    run: async (bench) => {
      const limiter = await bench.limiter();
      for (let i = 1; i <= 9; i += 1) {
        await limiter.report("k", i % 2 === 0 ? 1 : UNITS_MAX, T0 + i * US_PER_MS);
        const { resetAfterUs } = await limiter.decide("k", 0, T0 + i * US_PER_MS);
        expect(resetAfterUs, `report ${i}`).toBeLessThanOrEqual(2 * WINDOW_US);
        // Whole units only: of 10 units in 10 s, one is a second.
        if (OWE_LONGER.includes(bench.algorithm)) {
          expect(resetAfterUs, `report ${i}`).toBeGreaterThan(2 * WINDOW_US - US_PER_S);
        }
      }
      const denied = await bench.expectExactDenial(limiter, "k", 1, T0 + 9 * US_PER_MS);
      expect(denied.retryAfterUs).toBeLessThan(2 * WINDOW_US);
    },
  },
  {
    title: "a report forgives nothing that was owed under a higher limit",
    run: async (bench) => {
      const limiter = await bench.limiter();
      await limiter.report("k", 18, T0);
      await limiter.retune(bench.params(2), T0);
      const before = await limiter.decide("k", 0, T0);
      const { retryAfterUs } = await limiter.decide("k", 1, T0);
      await limiter.report("k", 1, T0);
      expect((await limiter.decide("k", 0, T0)).resetAfterUs).toBeGreaterThanOrEqual(before.resetAfterUs);
      expect((await limiter.decide("k", 1, T0)).retryAfterUs).toBeGreaterThanOrEqual(retryAfterUs);
    },
  },
  {
    title: "what is given back at once is as if it had never been asked for",
    run: async (bench) => {
      const limiter = await bench.limiter();
      await limiter.decide("k", 4, T0);
      const before = await limiter.decide("k", 0, T0 + 500_000);
      await limiter.decide("k", 5, T0 + 500_000);
      await limiter.refund("k", 5, T0 + 500_000);
      expect(await limiter.decide("k", 0, T0 + 500_000)).toEqual(before);
      await limiter.decide("k", 5, T0 + 500_000);
      await limiter.refund("k", 2, T0 + 500_000);
      expect(await limiter.decide("k", 0, T0 + 500_000)).toMatchObject({ remaining: before.remaining - 3 });
    },
  },
  {
    title: "no more comes back than is in use",
    run: async (bench) => {
      const limiter = await bench.limiter();
      await limiter.refund("new", 5, T0);
      await limiter.decide("k", 4, T0);
      await limiter.refund("k", UNITS_MAX, T0 + 1);
      for (const key of ["new", "k"]) {
        expect(await limiter.decide(key, 0, T0 + 1)).toMatchObject({ remaining: 10, resetAfterUs: 0 });
        expect((await limiter.decide(key, 11, T0 + 1)).outcome).toBe("unsatisfiable");
        expect(await limiter.decide(key, 10, T0 + 1)).toMatchObject({ outcome: "allowed", remaining: 0 });
        expect((await limiter.decide(key, 1, T0 + 1)).outcome).toBe("denied");
      }
    },
  },
  {
    title: "the newest units come back first, and debt before what fits",
    run: async (bench) => {
      const limiter = await bench.limiter();
      await limiter.decide("k", 3, T0);
      await limiter.decide("k", 4, T0 + 2 * US_PER_S);
      await limiter.refund("k", 4, T0 + 2 * US_PER_S);
      const older = await bench.limiter();
      await older.decide("k", 3, T0);
      for (const atUs of [T0 + 2 * US_PER_S, T0 + 12 * US_PER_S])
        expect(await limiter.decide("k", 0, atUs)).toEqual(await older.decide("k", 0, atUs));
      await limiter.report("debtor", 15, T0);
      await limiter.refund("debtor", 5, T0);
      expect((await limiter.decide("debtor", 1, T0)).outcome).toBe("denied");
      await limiter.refund("debtor", 1, T0);
      expect(await limiter.decide("debtor", 1, T0)).toMatchObject({ outcome: "allowed", remaining: 0 });
    },
  },
  {
    title: "units that no longer count do not come back",
    run: async (bench) => {
      const limiter = await bench.limiter();
      await limiter.decide("k", 10, T0);
      const laterUs = T0 + 2 * WINDOW_US;
      await limiter.refund("k", 10, laterUs);
      expect(await limiter.decide("k", 10, laterUs)).toMatchObject({ outcome: "allowed", remaining: 0 });
      expect((await limiter.decide("k", 1, laterUs)).outcome).toBe("denied");
    },
  },
  {
    title: "debt without end does not wrap round to none",
    run: async (bench) => {
      const limiter = await bench.limiter();
      for (let i = 1; i <= 9; i += 1) {
        await limiter.report("k", UNITS_MAX, T0 + i);
        expect(await limiter.decide("k", 1, T0 + i), `report ${i}`).toMatchObject({
          outcome: "denied",
          remaining: 0,
        });
      }
    },
  },
];
