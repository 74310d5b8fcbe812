import * as fc from "fast-check";
import { expect, it } from "vitest";
import {
  HeavyHitters,
  HITTER_HALF_LIFE_US,
  mergeHitters,
  type HeavyHittersReport,
} from "../../admission/heavy-hitters.ts";
import { micros } from "../../core/units.ts";
import { NOW_US } from "../actors/lone-shard-actor.ts";

/** What rounding may cost, in refusals. */
const ROUNDING = 2 ** -15;
/** Below this a key may be forgotten. */
const FADED = 1 / 64;
const START_US = NOW_US - (NOW_US % HITTER_HALF_LIFE_US);

type Step =
  | { readonly kind: "refuse"; readonly key: number; readonly policy: number; readonly times: number }
  | { readonly kind: "wait"; readonly halves: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("refuse" as const),
      // Squared, so that some keys are heavy and many are not.
      key: fc.nat(20).map((root) => root * root),
      policy: fc.nat(1),
      times: fc.integer({ min: 1, max: 9 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      halves: fc.constantFrom(0.2, 0.5, 1, 2, 7, 60),
    }),
  },
);

/** Exact counts by `key policy`, halved at the same moments. */
class Ledger {
  readonly counts = new Map<string, number>();
  total = 0;
  #halvedUs = START_US;

  refuse(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.total += 1;
  }

  pass(nowUs: number): void {
    for (; this.#halvedUs + HITTER_HALF_LIFE_US <= nowUs; this.#halvedUs += HITTER_HALF_LIFE_US) {
      this.total /= 2;
      for (const [name, count] of this.counts) this.counts.set(name, count / 2);
    }
  }
}

function played(steps: readonly Step[], rows: number): { ledger: Ledger; report: HeavyHittersReport } {
  const hitters = new HeavyHitters(rows);
  const ledger = new Ledger();
  let nowUs = START_US;
  for (const one of steps) {
    if (one.kind === "wait") {
      nowUs += one.halves * HITTER_HALF_LIFE_US;
      ledger.pass(nowUs);
      continue;
    }
    for (let i = 0; i < one.times; i += 1) {
      ledger.refuse(`${one.key} ${one.policy}`);
      // Few values of `high`, so that rows share buckets and are neighbours.
      const isKnown = hitters.refused(one.key % 7, -one.key, one.policy, micros(nowUs), 1_000);
      if (!isKnown) {
        hitters.name({ tenant: "acme", dimension: "key", key: String(one.key), policy: String(one.policy) });
      }
    }
  }
  return { ledger, report: hitters.report(micros(nowUs)) };
}

function expectBounds(ledger: Ledger, report: HeavyHittersReport, rows: number, rounding: number): void {
  const share = Math.max(ledger.total / rows, FADED);
  const seen = new Map(report.hitters.map((hitter) => [`${hitter.key} ${hitter.policy}`, hitter]));
  expect(seen.size).toBe(report.hitters.length);
  expect(Math.abs(report.total - ledger.total)).toBeLessThanOrEqual(rounding);
  expect(report.unseenMax).toBeLessThanOrEqual(share + rounding);
  for (const [name, exact] of ledger.counts) {
    const hitter = seen.get(name);
    if (hitter === undefined) {
      expect(exact).toBeLessThanOrEqual(report.unseenMax + rounding);
      expect(exact).toBeLessThanOrEqual(share + rounding);
      continue;
    }
    expect(hitter.count).toBeGreaterThanOrEqual(exact - rounding);
    expect(hitter.count - hitter.errorMax).toBeLessThanOrEqual(exact + rounding);
    expect(hitter.errorMax).toBeLessThanOrEqual(share + rounding);
  }
  for (const name of seen.keys()) expect(ledger.counts.has(name)).toBe(true);
}

it("names every key above N/K, none too low, and none more than N/K too high", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 12 }), (steps, rows) => {
      const { ledger, report } = played(steps, rows);
      expect(report.hitters.length).toBeLessThanOrEqual(rows);
      expectBounds(ledger, report, rows, ROUNDING);
    }),
    { numRuns: 400 },
  );
});

it("is exact while there are no more keys than rows", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { ledger, report } = played(
        steps.filter((one) => one.kind === "refuse"),
        64,
      );
      const counts = report.hitters.map(({ key, policy, count }) => [`${key} ${policy}`, count] as const);
      expect(new Map(counts)).toEqual(ledger.counts);
      expect(report.hitters.every(({ errorMax }) => errorMax === 0)).toBe(true);
    }),
  );
});

it("keeps the bounds over several processes", () => {
  const shares = fc.array(fc.array(step, { maxLength: 60 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(shares, fc.integer({ min: 1, max: 12 }), (lists, rows) => {
      const all = lists.map((steps) =>
        played(
          steps.filter((one) => one.kind === "refuse"),
          rows,
        ),
      );
      const ledger = new Ledger();
      for (const one of all) {
        ledger.total += one.ledger.total;
        for (const [name, count] of one.ledger.counts) {
          ledger.counts.set(name, (ledger.counts.get(name) ?? 0) + count);
        }
      }
      expectBounds(ledger, mergeHitters(all.map(({ report }) => report)), rows, ROUNDING * all.length);
    }),
    { numRuns: 200 },
  );
});
