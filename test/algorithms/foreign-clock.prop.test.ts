/**
 * State from another clock: a key goes on exactly as one with the same history at other times, all moved by the clocks'
 * difference, to the next later place its windows are aligned with.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALGORITHMS, type AlgorithmParams } from "../../algorithms/algorithm.ts";
import { CLOCKS_APART_MAX_US, clockShiftUs, toldMoment } from "../../algorithms/foreign-clock.ts";
import type { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { after, anyParams, histories, START_US, type History } from "./histories.ts";
import type { Hash } from "./hashes.ts";
import { verdictLine } from "./named-limiter.ts";
import { decided, newLimiter, pagesOf, peeked } from "./travelling.ts";

const US_PER_MINUTE = micros(60 * US_PER_S);
const DAY_US = 24 * 3_600 * US_PER_S;
const KEYS = [0, 1, 2].map((key) => ({ high: 1_000 + key, low: key }));
/** Beyond what is tolerated, in either direction. */
const DISAGREEMENTS = fc
  .tuple(fc.integer({ min: CLOCKS_APART_MAX_US + 1, max: 30 * DAY_US }), fc.boolean())
  .map(([us, isAhead]) => (isAhead ? us : -us));

/** What was answered, the last moment, and what comes out of it. */
function run(limiter: KeyedLimiter, steps: History["steps"], fromUs: number, byUs = 0) {
  let nowUs = fromUs;
  const said = steps.map(({ kind, key, cost, gap }) => {
    nowUs = after(nowUs, gap);
    const { high, low } = KEYS[key] as (typeof KEYS)[number];
    const atUs = micros(nowUs + byUs);
    if (kind === "decide") return decided(limiter, { high, low }, cost, atUs);
    limiter[kind](high, low, cost, atUs);
    return kind;
  });
  return { said, nowUs };
}

/** The giver's keys, adopted by a process whose clock says `nowUs`. */
function handOver(
  giver: KeyedLimiter,
  taker: KeyedLimiter,
  params: AlgorithmParams,
  nowUs: number,
  isJustWritten = true,
): void {
  const reader = new StatePageReader();
  for (const page of pagesOf(giver, params)) {
    reader.open(page);
    reader.translate(micros(nowUs), isJustWritten);
    taker.adoptPage(reader, micros(0));
  }
}

describe.each(ALGORITHMS)("%s", (algorithm) => {
  it("goes on under another clock as if all had happened by that", () => {
    const halves = histories(anyParams(algorithm)).chain((history) =>
      fc.tuple(fc.constant(history), fc.nat(history.steps.length), DISAGREEMENTS),
    );
    fc.assert(
      fc.property(halves, ([{ params, steps }, half, aheadUs]) => {
        const [giver, taker, twin] = [newLimiter(params), newLimiter(params), newLimiter(params)];
        const { nowUs } = run(giver, steps.slice(0, half), START_US);
        giver.sweep(micros(nowUs), 0);
        handOver(giver, taker, params, nowUs - aheadUs);
        const { alignUs } = createAlgorithm(params);
        const movedUs = clockShiftUs(micros(nowUs), micros(nowUs - aheadUs), alignUs, true);
        if (Math.abs(aheadUs) < alignUs) expect(movedUs).toBe(0);
        else expect(movedUs % alignUs === 0 && Math.abs(movedUs + aheadUs) < alignUs).toBe(true);
        run(twin, steps.slice(0, half), START_US, movedUs);
        // Within a window that all keys share the two are at different places.
        for (const limiter of [taker, twin]) {
          for (const us of [nowUs - aheadUs, nowUs + movedUs]) limiter.sweep(micros(us), 0);
        }
        const rest = steps.slice(half);
        expect(run(taker, rest, nowUs, movedUs).said).toEqual(run(twin, rest, nowUs, movedUs).said);
      }),
    );
  });

  it("ages no key by the page of another, however far ahead that is", () => {
    const cases = fc.tuple(anyParams(algorithm), DISAGREEMENTS, fc.boolean());
    fc.assert(
      fc.property(cases, ([params, aheadUs, isJustWritten]) => {
        const [giver, taker] = [newLimiter(params), newLimiter(params)];
        const [first, second] = KEYS as [Hash, Hash];
        taker.charge(first.high, first.low, params.limit, micros(START_US));
        const before = verdictLine(peeked(taker, first, START_US));
        giver.charge(second.high, second.low, 1, micros(START_US + aheadUs));
        handOver(giver, taker, params, START_US, isJustWritten);
        expect(verdictLine(peeked(taker, first, START_US))).toBe(before);
      }),
    );
  });

  it("lets keys never seen go on owing what they owed", () => {
    const cases = fc.tuple(anyParams(algorithm), fc.integer({ min: 1, max: 1_000 }), DISAGREEMENTS);
    fc.assert(
      fc.property(cases, ([params, units, aheadUs]) => {
        const [giver, taker] = [newLimiter(params), newLimiter(params)];
        giver.setArrears({ units, atUs: micros(START_US) });
        const owed = giver.usedByUnseen();
        handOver(giver, taker, params, START_US - aheadUs);
        expect(taker.usedByUnseen()).toBe(owed);
      }),
    );
  });
});

describe("a key that is exhausted", () => {
  const params = { algorithm: "gcra", limit: 100, windowUs: US_PER_MINUTE } as const;
  const [key] = KEYS as [(typeof KEYS)[number]];

  function exhausted(): KeyedLimiter {
    const limiter = newLimiter(params);
    limiter.charge(key.high, key.low, 100, micros(START_US));
    return limiter;
  }

  it.each([
    ["an hour ahead", START_US - 3_600 * US_PER_S],
    ["an hour behind", START_US + 3_600 * US_PER_S],
  ])("by a clock that is %s has its next unit after one interval, and all after a window", (_, nowUs) => {
    const taker = newLimiter(params);
    handOver(exhausted(), taker, params, nowUs);
    expect(decided(taker, key, 1, nowUs)).toMatch(/^outcome,denied .* retryAfterUs,600000 /);
    expect(peeked(taker, key, nowUs)).toMatchObject({ remaining: 0, resetAfterUs: US_PER_MINUTE });
    expect(peeked(taker, key, nowUs + 600_000)).toMatchObject({ remaining: 1 });
    expect(peeked(taker, key, nowUs + US_PER_MINUTE)).toMatchObject({ remaining: 100 });
  });

  it("in a journal has aged by our clock, unless that is behind the writer's", () => {
    const [aged, ahead] = [newLimiter(params), newLimiter(params)];
    handOver(exhausted(), aged, params, START_US + US_PER_MINUTE / 2, false);
    expect(peeked(aged, key, START_US + US_PER_MINUTE / 2)).toMatchObject({ remaining: 50 });
    handOver(exhausted(), ahead, params, START_US - DAY_US, false);
    expect(peeked(ahead, key, START_US - DAY_US)).toMatchObject({
      remaining: 0,
      resetAfterUs: US_PER_MINUTE,
    });
  });
});

it("leaves clocks alone that are two seconds apart", () => {
  for (const apartUs of [-CLOCKS_APART_MAX_US, -1, 0, 1, CLOCKS_APART_MAX_US]) {
    expect(clockShiftUs(micros(START_US + apartUs), micros(START_US), 1, true)).toBe(0);
  }
  const justBeyond = CLOCKS_APART_MAX_US + 1;
  expect(clockShiftUs(micros(START_US + justBeyond), micros(START_US), 1, false)).toBe(-justBeyond);
  expect(clockShiftUs(micros(START_US - justBeyond), micros(START_US), 1, true)).toBe(justBeyond);
  expect(clockShiftUs(micros(START_US - justBeyond), micros(START_US), 1, false)).toBe(0);
});

it("takes a moment as told, but for one that has not come yet", () => {
  const now = micros(START_US);
  const told = [START_US - DAY_US, START_US + CLOCKS_APART_MAX_US, START_US + CLOCKS_APART_MAX_US + 1];
  expect(told.map((us) => toldMoment(micros(us), now))).toEqual([told[0], told[1], now]);
});
