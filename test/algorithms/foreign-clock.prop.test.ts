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
import { StatePageWriter } from "../../algorithms/state-page.ts";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import type { Hash } from "./hashes.ts";
import { after, anyParams, histories, START_US, type History } from "./histories.ts";
import { verdictLine } from "./named-limiter.ts";
import { decided, newLimiter, pagesOf, peeked, POLICY } from "./travelling.ts";

const US_PER_MINUTE = micros(60 * US_PER_S);
const DAY_US = 24 * 3_600 * US_PER_S;
const KEYS = [0, 1, 2].map((key) => ({ high: 1_000 + key, low: key }));
/** How long a page may take; those of one transfer differ in that. */
const LATENCY_MAX_US = 500_000;
/** Beyond what is tolerated, in either direction. */
const DISAGREEMENTS = fc
  .tuple(fc.integer({ min: CLOCKS_APART_MAX_US + LATENCY_MAX_US + 1, max: 30 * DAY_US }), fc.boolean())
  .map(([us, isAhead]) => (isAhead ? us : -us));

/** Evenly between 0 and `most`; of doubles nearly all are next to nothing. */
function parts(most: number): fc.Arbitrary<number> {
  return fc.integer({ min: 0, max: most * 1_000 }).map((thousandths) => thousandths / 1_000);
}

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

/** One key as it stands at the giver. */
function pageOf(giver: KeyedLimiter, params: AlgorithmParams, { high, low }: Hash): Uint8Array {
  const page = new StatePageWriter();
  giver.beginPage(page, POLICY, params, "some");
  giver.writeKey(high, low, page);
  return page.finish();
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
        // Never earlier than the clocks say, and later by less than what windows are aligned with.
        const { alignUs } = createAlgorithm(params);
        const movedUs = clockShiftUs(micros(nowUs), micros(nowUs - aheadUs), alignUs, true);
        if (Math.abs(aheadUs) < alignUs) expect(movedUs).toBe(0);
        else expect(movedUs % alignUs === 0 && movedUs >= -aheadUs && movedUs < alignUs - aheadUs).toBe(true);
        run(twin, steps.slice(0, half), START_US, movedUs);
        // Until then its clock is ours.
        taker.sweep(micros(nowUs + movedUs), 0);
        const rest = steps.slice(half);
        expect(run(taker, rest, nowUs, movedUs).said).toEqual(run(twin, rest, nowUs, movedUs).said);
      }),
    );
  });

  it("frees nothing earlier than its writer would have, however many pages tell of it", () => {
    const cases = fc.record({
      history: histories(anyParams(algorithm)),
      aheadUs: DISAGREEMENTS,
      isJustWritten: fc.boolean(),
      latenciesUs: fc.array(fc.nat(LATENCY_MAX_US), { minLength: 1, maxLength: 5 }),
      waits: fc.array(parts(2), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(cases, ({ history: { params, steps }, aheadUs, isJustWritten, latenciesUs, waits }) => {
        // Our clock may begin the next window early, and is believed when it says that a journal is old.
        fc.pre(steps.length > 0);
        fc.pre(aheadUs > 0 || (isJustWritten && -aheadUs >= createAlgorithm(params).alignUs));
        const [giver, taker] = [newLimiter(params), newLimiter(params)];
        const written: { page: Uint8Array; readUs: number }[] = [];
        let [nowUs, readUs] = [START_US, 0];
        for (const [index, step] of steps.entries()) {
          nowUs = Math.max(nowUs, run(giver, [step], nowUs).nowUs);
          readUs = Math.max(readUs, nowUs - aheadUs + (latenciesUs[index % latenciesUs.length] as number));
          written.push({ page: pageOf(giver, params, KEYS[step.key] as Hash), readUs });
        }
        const reader = new StatePageReader();
        for (const one of written) {
          reader.open(one.page);
          reader.translate(micros(isJustWritten ? one.readUs : readUs), isJustWritten);
          taker.adoptPage(reader, micros(0));
        }
        // What a journal has from up to two seconds ahead is left alone, and makes the rest that much older.
        const earlyUs = isJustWritten ? 0 : CLOCKS_APART_MAX_US;
        for (const wait of [0, ...waits].toSorted((a, b) => a - b)) {
          const atUs = readUs + Math.round(wait * params.windowUs);
          for (const key of KEYS) {
            const atGiver = peeked(giver, key, atUs + aheadUs + earlyUs).remaining;
            expect(peeked(taker, key, atUs).remaining).toBeLessThanOrEqual(atGiver);
          }
        }
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

  it("says by our clock when a refused cost fits", () => {
    const share = parts(1);
    fc.assert(
      fc.property(
        histories(anyParams(algorithm)),
        DISAGREEMENTS,
        share,
        ({ params, steps }, aheadUs, part) => {
          const giver = newLimiter(params);
          const { nowUs } = run(giver, steps, START_US);
          giver.sweep(micros(nowUs), 0);
          const oursUs = nowUs - aheadUs;
          for (const { high, low } of KEYS) {
            const taker = newLimiter(params);
            handOver(giver, taker, params, oursUs);
            const cost = Math.ceil(part * createAlgorithm(params).capacity);
            const ask = (us: number): Verdict => {
              const verdict = new Verdict();
              taker.evaluate(high, low, cost, micros(us), verdict);
              return verdict;
            };
            const { outcome, retryAfterUs } = ask(oursUs);
            if (outcome !== "denied") continue;
            const [early, onTime] = [ask(oursUs + retryAfterUs - 1), ask(oursUs + retryAfterUs)];
            expect([early.outcome, onTime.outcome]).toEqual(["denied", "allowed"]);
          }
        },
      ),
    );
  });

  it("makes a shared bucket as strict as a key whose window has not begun", () => {
    const cases = anyParams(algorithm).chain((params) =>
      fc.record({
        params: fc.constant(params),
        aheadUs: fc.nat(createAlgorithm(params).alignUs - 1),
        units: fc.nat(2 * params.limit),
        wait: parts(2),
      }),
    );
    fc.assert(
      fc.property(cases, ({ params, aheadUs, units, wait }) => {
        const made = createAlgorithm(params);
        const slot = (): Uint32Array => new Uint32Array(2 + made.stateWords);
        const [bucket, key, verdict] = [slot(), slot(), new Verdict()];
        made.open(bucket, 0, micros(START_US));
        made.open(key, 0, micros(START_US + aheadUs));
        made.charge(key, 0, units, micros(START_US + aheadUs));
        made.cover(bucket, 0, key, 0, micros(START_US));
        const left = (words: Uint32Array): number => {
          made.evaluate(
            words,
            0,
            0,
            micros(START_US + params.windowUs + Math.round(wait * made.alignUs)),
            verdict,
          );
          return verdict.remaining;
        };
        expect(left(bucket)).toBeLessThanOrEqual(left(key));
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

it("counts in a window that has not begun what came before it once, and lets it fade from when it begins", () => {
  const params = { algorithm: "sliding-window", limit: 100, windowUs: US_PER_MINUTE } as const;
  const [key] = KEYS as [Hash, ...Hash[]];
  const [giver, taker] = [newLimiter(params), newLimiter(params)];
  const theirsUs = Math.ceil(START_US / US_PER_MINUTE) * US_PER_MINUTE;
  giver.charge(key.high, key.low, 60, micros(theirsUs - 1));
  giver.charge(key.high, key.low, 10, micros(theirsUs));
  const oursUs = theirsUs - 9.5 * US_PER_MINUTE;
  handOver(giver, taker, params, oursUs);
  taker.charge(key.high, key.low, 5, micros(oursUs));
  const left = [0, 0.25, 0.5, 1, 1.5, 2].map(
    (windows) => peeked(taker, key, oursUs + windows * US_PER_MINUTE).remaining,
  );
  expect(left).toEqual([25, 25, 25, 55, 85, 92]);
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
