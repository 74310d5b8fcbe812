import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALGORITHMS, type AlgorithmParams } from "../../algorithms/algorithm.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { StatePageWriter } from "../../algorithms/state-page.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { ParlError } from "../../core/errors.ts";
import { micros } from "../../core/units.ts";
import { hashSets, type Hash } from "./hashes.ts";
import { after, anyParams, exactParams, START_US, usualGaps, type Gap } from "./histories.ts";
import { adoptAll, decided, Journey, newLimiter, pagesOf, peeked, POLICY } from "./travelling.ts";

/** Times stay whole microseconds that windows are counted exactly for. */
const LATEST_US = 2 ** 52;

interface Step {
  readonly kind: "decide" | "charge" | "sweep" | "page";
  readonly key: number;
  readonly cost: number;
  readonly gap: Gap;
}

/** Quota, keys, traffic on the way and traffic afterwards. */
interface Trip {
  readonly params: AlgorithmParams;
  readonly keys: readonly Hash[];
  readonly before: readonly Step[];
  readonly during: readonly Step[];
  readonly afterwards: readonly Step[];
  readonly bytes: number;
  readonly behindUs: number;
}

function trips(someParams: fc.Arbitrary<AlgorithmParams>): fc.Arbitrary<Trip> {
  return someParams.chain((params) => {
    const capacity = params.burst ?? params.limit;
    const steps = (kinds: readonly Step["kind"][], maxLength: number): fc.Arbitrary<Step[]> =>
      fc.array(
        fc.record({
          kind: fc.constantFrom(...kinds),
          key: fc.nat({ max: 119 }),
          cost: fc.oneof(fc.constantFrom(1, 1, capacity), fc.nat({ max: capacity })),
          // Mostly close together, so that there is much under way.
          gap: fc.oneof(
            { weight: 9, arbitrary: fc.constantFrom({ us: 0 }, { us: 0 }, { us: 1 }) },
            { weight: 1, arbitrary: usualGaps(params) },
          ),
        }),
        { maxLength, size: "max" },
      );
    return fc.record({
      params: fc.constant(params),
      keys: hashSets,
      before: steps(["decide", "decide", "charge", "sweep"], 120),
      during: steps(["decide", "charge", "page", "page", "sweep"], 60),
      afterwards: steps(["decide"], 40),
      bytes: fc.constantFrom(1, 150, 400, 2 ** 18),
      behindUs: fc.constantFrom(0, 1, 5_000_000),
    });
  });
}

/** Takes a step on both limiters where there are two, and says what they answered. */
function take(limiters: readonly KeyedLimiter[], step: Step, keys: readonly Hash[], nowUs: number): string[] {
  const key = keys[step.key % keys.length] as Hash;
  return limiters.map((limiter) => {
    if (step.kind === "decide") return decided(limiter, key, step.cost, nowUs);
    if (step.kind === "charge") limiter.charge(key.high, key.low, step.cost, micros(nowUs));
    else limiter.sweep(micros(nowUs), step.cost % 20);
    return "";
  });
}

describe.each(ALGORITHMS)("%s", (name) => {
  it.each([
    { numbers: "that formulas can follow", params: exactParams(name) },
    { numbers: "of any size", params: anyParams(name) },
  ])(
    "goes on elsewhere as if nothing had happened, whatever happens on the way, with numbers $numbers",
    ({ params: someParams }) => {
      fc.assert(
        fc.property(trips(someParams), ({ params, keys, before, during, afterwards, bytes, behindUs }) => {
          const giver = newLimiter(params);
          const taker = newLimiter(params);
          let nowUs = START_US;
          for (const step of before) take([giver], step, keys, (nowUs = later(nowUs, step.gap)));
          const journey = new Journey(giver, params, { bytes });
          const arrive = (): void => adoptAll(taker, journey.pages.splice(0), nowUs - behindUs);
          for (const step of during) {
            nowUs = later(nowUs, step.gap);
            if (step.kind !== "page") take([giver], step, keys, nowUs);
            else if (journey.write()) arrive();
          }
          journey.end();
          arrive();
          for (const step of afterwards) {
            nowUs = later(nowUs, step.gap);
            const [there, here] = take([giver, taker], step, keys, nowUs);
            expect(here).toBe(there);
          }
          for (const key of keys) expect(peeked(taker, key, nowUs)).toEqual(peeked(giver, key, nowUs));
        }),
        { numRuns: 200 },
      );
    },
  );

  it("arrives the same in any order, and twice", () => {
    fc.assert(
      fc.property(trips(exactParams(name)), fc.infiniteStream(fc.nat()), (trip, random) => {
        const { params, keys, before, bytes } = trip;
        const giver = newLimiter(params);
        let nowUs = START_US;
        for (const step of before) take([giver], step, keys, (nowUs = later(nowUs, step.gap)));
        giver.chargeAll({ units: 1, atUs: micros(nowUs) });
        giver.setArrears({ units: 1, atUs: micros(nowUs) });
        const pages = pagesOf(giver, params, { bytes });
        const shuffled = [...pages, ...pages]
          .map((page) => ({ page, rank: random.next().value as number }))
          .toSorted((a, b) => a.rank - b.rank);
        const taker = newLimiter(params);
        adoptAll(
          taker,
          shuffled.map(({ page }) => page),
          nowUs,
        );
        for (const key of [...keys, { high: 77_777, low: 7 }]) {
          expect(peeked(taker, key, nowUs + 1)).toEqual(peeked(giver, key, nowUs + 1));
        }
      }),
      { numRuns: 50 },
    );
  });

  it("survives any bytes: refuses a page whole, or decides what it says", () => {
    const pages = samplePages(name);
    const change = fc.record({
      page: fc.constantFrom(...pages),
      cut: fc.option(fc.nat({ max: 400 })),
      patches: fc.array(
        fc.tuple(fc.nat({ max: 400 }), fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255))),
        { maxLength: 4 },
      ),
      more: fc.uint8Array({ maxLength: 3 }),
    });
    const patched = change.map(({ page, cut, patches, more }) => {
      const bytes = new Uint8Array([...page.subarray(0, cut ?? page.length), ...more]);
      for (const [at, value] of patches) bytes[at % Math.max(1, bytes.length)] = value;
      return bytes;
    });
    const reader = new StatePageReader();
    let accepted = 0;
    const check = (bytes: Uint8Array): void => {
      const budget = new MemoryBudget(2 ** 20);
      try {
        reader.open(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(ParlError);
        expect(["PARL_MALFORMED", "PARL_UNSUPPORTED_VERSION"]).toContain((error as ParlError).code);
        expect([reader.count, reader.next()]).toEqual([0, false]);
        return;
      }
      accepted += 1;
      const limiter = new KeyedLimiter(createAlgorithm(reader.params), { budget });
      limiter.adoptPage(reader, micros(START_US));
      limiter.adoptPage(reader, micros(START_US));
      const key = { high: 5, low: 5 };
      for (const nowUs of [START_US, START_US + 1_000_000]) {
        limiter.charge(5, 5, 1, micros(nowUs));
        expect(peeked(limiter, key, nowUs)).toMatchObject({
          outcome: "allowed",
          remaining: expect.toSatisfy((left: number) => left >= 0 && left <= 2 ** 31),
          resetAfterUs: expect.toSatisfy((us: number) => us >= 0 && us < 2 ** 53),
        });
        limiter.sweep(micros(nowUs), Infinity);
      }
      limiter.dispose();
      expect(budget.bytesUsed).toBe(0);
    };
    fc.assert(fc.property(fc.oneof({ weight: 9, arbitrary: patched }, fc.uint8Array()), check), {
      numRuns: 3_000,
    });
    expect(accepted).toBeGreaterThan(30);
  });
});

it("hands out nothing of a page that is bad at its very end", () => {
  for (const page of ALGORITHMS.flatMap(samplePages)) {
    const reader = new StatePageReader();
    for (let length = 0; length < page.length; length += 1) {
      expect(() => reader.open(page.subarray(0, length))).toThrow(ParlError);
      expect(reader.next()).toBe(false);
    }
    reader.open(page);
    expect(reader.policy).toBe(POLICY);
    expect(reader.next()).toBe(true);
  }
});

function later(nowUs: number, gap: Gap): number {
  return Math.min(LATEST_US, Math.max(nowUs, after(nowUs, gap)));
}

/** A few keys in various states, with and without arrears. */
function samplePages(algorithm: AlgorithmParams["algorithm"]): Uint8Array[] {
  const params: AlgorithmParams = { algorithm, limit: 10, windowUs: micros(10_000_000), subWindows: 4 };
  const limiter = newLimiter(params);
  for (let i = 1; i <= 5; i += 1) {
    for (let unit = 0; unit < i; unit += 1) limiter.charge(i, i, 2, micros(START_US - 1_000 * unit));
  }
  const plain = pagesOf(limiter, params);
  limiter.setArrears({ units: 3, atUs: micros(START_US) });
  const reserving = new StatePageWriter();
  limiter.beginPage(reserving, POLICY, params, "reserved");
  for (const key of [1, 2, 77]) limiter.writeKey(key, key, reserving, false, key);
  return [...plain, ...pagesOf(limiter, params), reserving.finish()];
}
