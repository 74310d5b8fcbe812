/**
 * What every limiter must do, whichever algorithm it runs and wherever its state lives.
 *
 * One table of cases over every algorithm. A limiter under test is three functions; nothing here knows its
 * insides, so that the same table judges the in-process key table and any other implementation:
 *
 *      runLimiterConformance({ name: "key table", newLimiter: (params) => … })
 *
 * Specification: the semantics table of the design; the numbers are in limiter-rows.ts.
 */
import { describe, expect, it } from "vitest";
import { ALGORITHMS, type AlgorithmName } from "../../algorithms/algorithm.ts";
import { UNITS_MAX } from "../../algorithms/registry.ts";
import { US_PER_S } from "../../core/units.ts";
import { Bench, T0, WINDOW_US, type Case, type NewLimiter } from "./bench.ts";
import { ROWS, type Row } from "./limiter-rows.ts";
import { USAGE_CASES } from "./usage-cases.ts";

export interface LimiterConformance {
  readonly name: string;
  readonly newLimiter: NewLimiter;
  readonly algorithms?: readonly AlgorithmName[];
  /** Cases that do not hold here, by title or by `algorithm: title`, and why. */
  readonly skip?: readonly { readonly reason: string; readonly cases: readonly string[] }[];
}

const CASES: readonly Case[] = [
  {
    title: "a key never seen is full",
    run: async (bench) => {
      const limiter = await bench.limiter();
      expect(await limiter.decide("new", 0, T0)).toMatchObject({
        outcome: "allowed",
        limit: 10,
        remaining: 10,
        retryAfterUs: 0,
        resetAfterUs: 0,
        delayUs: 0,
      });
      expect(await limiter.decide("new", 10, T0)).toMatchObject({ outcome: "allowed", remaining: 0 });
    },
  },
  {
    title: "answers as worked out by hand",
    run: async (bench) => {
      const limiter = await bench.limiter();
      const answers: Row[] = [];
      for (const [atS, cost] of ROWS[bench.algorithm]) {
        const answer = await limiter.decide("k", cost, T0 + atS * US_PER_S);
        answers.push([
          atS,
          cost,
          answer.outcome,
          answer.remaining,
          answer.retryAfterUs / US_PER_S,
          answer.resetAfterUs / US_PER_S,
          answer.delayUs / US_PER_S,
        ]);
      }
      expect(answers).toEqual(ROWS[bench.algorithm]);
    },
  },
  {
    title: "cost 0 peeks and changes nothing",
    run: async (bench) => {
      const limiter = await bench.limiter();
      await limiter.decide("k", 3, T0);
      const first = await limiter.decide("k", 0, T0 + 500_000);
      expect(await limiter.decide("k", 0, T0 + 500_000)).toEqual(first);
      expect(await limiter.decide("k", first.remaining, T0 + 500_000)).toMatchObject({ outcome: "allowed" });
      const exhausted = await limiter.decide("k", 0, T0 + 500_000);
      expect(exhausted).toMatchObject({ outcome: "allowed", remaining: 0, retryAfterUs: 0 });
    },
  },
  {
    title: "a cost beyond the capacity is unsatisfiable, now and on a new key",
    run: async (bench) => {
      const limiter = await bench.limiter();
      await limiter.decide("k", 4, T0);
      const before = await limiter.decide("k", 0, T0);
      const never = await limiter.decide("k", 11, T0);
      expect(never).toMatchObject({
        outcome: "unsatisfiable",
        retryAfterUs: Infinity,
        remaining: 6,
        resetAfterUs: before.resetAfterUs,
      });
      expect(await limiter.decide("k", 0, T0)).toEqual(before);
      expect(await limiter.decide("new", UNITS_MAX, T0)).toMatchObject({
        outcome: "unsatisfiable",
        remaining: 10,
        resetAfterUs: 0,
      });
    },
  },
  {
    title: "limit 0 denies everything for ever",
    run: async (bench) => {
      const limiter = await bench.limiter(0);
      const never = { outcome: "unsatisfiable", limit: 0, remaining: 0, retryAfterUs: Infinity };
      expect(await limiter.decide("k", 1, T0)).toMatchObject(never);
      expect(await limiter.decide("k", 0, T0)).toMatchObject({ outcome: "allowed", remaining: 0 });
      await limiter.report("k", 5, T0);
      expect(await limiter.decide("k", 1, T0 + 10 * WINDOW_US)).toMatchObject(never);
    },
  },
  {
    title: "a denied request costs nothing",
    run: async (bench) => {
      const limiter = await bench.limiter();
      await limiter.decide("k", 8, T0);
      const before = await limiter.decide("k", 0, T0);
      for (let i = 0; i < 100; i += 1) await limiter.decide("k", 3, T0);
      expect(await limiter.decide("k", 0, T0)).toEqual(before);
      expect(await limiter.decide("k", 2, T0)).toMatchObject({ outcome: "allowed" });
    },
  },
  {
    title: "retryAfter is exact for every cost and rate",
    run: async (bench) => {
      const rates = [
        [10, WINDOW_US],
        [7, US_PER_S],
        [3, 10_000],
        [1, 1_000],
        [1_000, 60 * US_PER_S],
      ] as const;
      for (const [limit, windowUs] of rates) await bench.expectExactDenials(limit, windowUs);
    },
  },
  {
    title: "retryAfter is exact for the largest limit and a rate of no round number",
    run: (bench) => bench.expectExactDenials(UNITS_MAX, 86_400 * US_PER_S),
  },
  {
    title: "what remains can be had, and not one unit more",
    run: async (bench) => {
      const limiter = await bench.limiter();
      await limiter.decide("k", 9, T0 - 4 * US_PER_S);
      for (const atUs of [T0 + 1, T0 + 3_600_001, T0 + 7 * US_PER_S, T0 + 9_999_999]) {
        const { remaining } = await limiter.decide("k", 0, atUs);
        expect((await limiter.decide("k", remaining + 1, atUs)).outcome).not.toBe("allowed");
        expect(await limiter.decide("k", remaining, atUs)).toMatchObject({
          outcome: "allowed",
          remaining: 0,
        });
      }
    },
  },
  {
    title: "after resetAfter, and not before, a key is as good as new",
    run: async (bench) => {
      const limiter = await bench.limiter(7, US_PER_S);
      await limiter.decide("k", 2, T0 + 123_456);
      const { resetAfterUs } = await limiter.decide("k", 3, T0 + 345_678);
      const resetUs = T0 + 345_678 + resetAfterUs;
      expect(await limiter.decide("k", 0, resetUs - 1)).toMatchObject({ resetAfterUs: 1 });
      expect(await limiter.decide("k", 0, resetUs)).toEqual(await limiter.decide("new", 0, resetUs));
    },
  },
  {
    title: "a clock that steps back mints nothing and takes nothing",
    run: async (bench) => {
      const limiter = await bench.limiter();
      const t1 = T0 + 3 * US_PER_S;
      await limiter.decide("k", 10, t1);
      const denied = await limiter.decide("k", 1, t1);
      for (let i = 1; i <= 50; i += 1) {
        expect(await limiter.decide("k", 1, t1 - i * US_PER_S)).toEqual(denied);
        expect(await limiter.decide("k", 1, t1)).toEqual(denied);
      }
      await bench.expectExactDenial(limiter, "k", 1, t1);
    },
  },
  {
    title: "a lowered limit keeps the debt",
    run: async (bench) => {
      const limiter = await bench.limiter();
      await limiter.decide("k", 8, T0);
      await limiter.retune(bench.params(5), T0);
      expect(await limiter.decide("k", 0, T0)).toMatchObject({ limit: 5, remaining: 0 });
      await bench.expectExactDenial(limiter, "k", 1, T0);
      expect(await limiter.decide("new", 5, T0)).toMatchObject({ outcome: "allowed", remaining: 0 });
    },
  },
  {
    title: "a raised limit gives the difference at once",
    run: async (bench) => {
      const limiter = await bench.limiter();
      await limiter.decide("k", 10, T0);
      await limiter.retune(bench.params(20), T0);
      expect(await limiter.decide("k", 11, T0)).toMatchObject({
        outcome: "denied",
        limit: 20,
        remaining: 10,
      });
      expect(await limiter.decide("k", 10, T0)).toMatchObject({ outcome: "allowed", remaining: 0 });
    },
  },
  {
    title: "keys do not share, whatever they are called",
    run: async (bench) => {
      const limiter = await bench.limiter(1);
      const keys = ["k", "K", "k ", "k:", "", "0", "__proto__", "constructor", "k\0", "~k", "k".repeat(300)];
      for (const key of keys) {
        expect(await limiter.decide(key, 1, T0), key).toMatchObject({ outcome: "allowed", remaining: 0 });
      }
      for (const key of keys) expect((await limiter.decide(key, 1, T0)).outcome, key).toBe("denied");
    },
  },
  {
    title: "windows are aligned to the epoch",
    algorithms: ["fixed-window"],
    run: async (bench) => {
      const limiter = await bench.limiter();
      expect((await limiter.decide("k", 10, T0 - 1)).outcome).toBe("allowed");
      expect((await limiter.decide("k", 10, T0)).outcome).toBe("allowed");
      expect(await limiter.decide("k", 1, T0)).toMatchObject({ outcome: "denied", retryAfterUs: WINDOW_US });
      expect((await limiter.decide("k", 1, T0 + WINDOW_US - 1)).outcome).toBe("denied");
    },
  },
  {
    title: "an event at exactly t − W is outside",
    algorithms: ["sliding-log"],
    run: async (bench) => {
      const limiter = await bench.limiter();
      const t1 = T0 + 1_234_567;
      await limiter.decide("k", 10, t1);
      expect((await limiter.decide("k", 1, t1 + WINDOW_US - 1)).outcome).toBe("denied");
      expect((await limiter.decide("k", 10, t1 + WINDOW_US)).outcome).toBe("allowed");
    },
  },
  {
    title: "an allowed request waits for the work queued ahead of it",
    algorithms: ["leaky-queue"],
    run: async (bench) => {
      const limiter = await bench.limiter(7, US_PER_S);
      const delays: number[] = [];
      for (let i = 0; i < 7; i += 1) delays.push((await limiter.decide("k", 1, T0)).delayUs);
      // Sevenths of a second, rounded up: a turn is never told too early.
      expect(delays).toEqual([0, 142_858, 285_715, 428_572, 571_429, 714_286, 857_143]);
      expect(await limiter.decide("k", 1, T0)).toMatchObject({ outcome: "denied", delayUs: 0 });
    },
  },
];

/** Declares the whole table as tests of one implementation. */
export function runLimiterConformance(implementation: LimiterConformance): void {
  const algorithms = implementation.algorithms ?? ALGORITHMS;
  const reasons = new Map<string, string>();
  for (const { reason, cases } of implementation.skip ?? []) for (const id of cases) reasons.set(id, reason);
  const unused = new Set(reasons.keys());

  describe.each(algorithms)(`${implementation.name}, %s`, (algorithm) => {
    for (const { title, algorithms: only, run } of [...CASES, ...USAGE_CASES]) {
      if (only !== undefined && !only.includes(algorithm)) continue;
      const id = [title, `${algorithm}: ${title}`].find((candidate) => reasons.has(candidate));
      if (id === undefined) {
        it(title, () => run(new Bench(algorithm, implementation.newLimiter)));
      } else {
        unused.delete(id);
        it.skip(`${title} (${reasons.get(id)})`);
      }
    }
  });

  it(`${implementation.name} skips only cases that exist`, () => {
    expect([...unused]).toEqual([]);
  });
}
