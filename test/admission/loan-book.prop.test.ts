import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { US_PER_MS, US_PER_S } from "../../core/units.ts";
import { keyOf, type HolderProcess } from "./loan-processes.ts";
import { holderDies, homeDies, LENT_ALGORITHMS, Region, SHARED, START_US, stories } from "./loan-region.ts";

/** Thousands of messages a run: seconds on a quiet machine. */
const TIMEOUT_MS = 120_000;

describe.each(LENT_ALGORITHMS)("rights of a %s key on loan", (algorithm) => {
  it(
    "are never spent twice, whatever is lost, repeated, late or dead",
    () => {
      fc.assert(
        fc.property(stories, (story) => {
          const region = new Region(algorithm, story);
          for (let ms = 20; ms <= 6_000; ms += 20) {
            region.time.runTo(START_US + ms * US_PER_MS, () => region.checkLedger());
            region.checkHolders();
          }
          expect(region.overAdmitted()).toEqual([]);
        }),
        { numRuns: 15 },
      );
    },
    TIMEOUT_MS,
  );

  it.each([
    ["their home", homeDies],
    ["their holder", holderDies],
  ])(
    "are all accounted for when %s dies",
    (_, tragedies) => {
      fc.assert(
        fc.property(tragedies, (story) => {
          const region = new Region(algorithm, story);
          region.time.runTo(START_US + 6 * US_PER_S);
          expect(region.overAdmitted()).toEqual([]);
        }),
        { numRuns: 20 },
      );
    },
    TIMEOUT_MS,
  );

  it(
    "are all back when their holder has left, and none is charged for it",
    () => {
      let broughtBack = 0;
      fc.assert(
        fc.property(stories, fc.integer({ min: 300, max: 1_500 }), (story, atMs) => {
          const region = new Region(algorithm, { ...story, incidents: [] });
          const { home, time } = region;
          const [leaver] = region.holders as [HolderProcess];
          time.runTo(START_US + atMs * US_PER_MS);
          const { high, low } = keyOf(SHARED);
          broughtBack += leaver.balances.find(SHARED, high, low)?.left ?? 0;
          leaver.leave();
          const { loss, slow } = story.faults;
          // At worst every other exchange is lost, and one is tried a second.
          const patienceMs = loss === 0 && slow === 0 ? 60 : 25_000;
          for (let ms = 0; ms < patienceMs && !leaver.balances.isEmpty; ms += 10)
            time.runTo(time.nowUs + 10 * US_PER_MS, () => region.checkLedger());
          expect(leaver.balances.isEmpty).toBe(true);
          const { forfeited } = home.book.tally;
          home.book.holderDead(leaver.holder, home.nowUs);
          expect(home.book.tally.forfeited).toBe(forfeited);
        }),
        { numRuns: 25 },
      );
      expect(broughtBack).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  it(
    "come home within 3 s once the traffic has stopped",
    () => {
      fc.assert(
        fc.property(stories, (story) => {
          const region = new Region(algorithm, story);
          region.time.runTo(START_US + 4 * US_PER_S);
          region.calm();
          // What was still dead or cut off by then first has to come back.
          const isBack = (): boolean => region.home.isAlive && region.holders.every(({ isAlive }) => isAlive);
          for (let rounds = 0; rounds < 60 && !isBack(); rounds += 1)
            region.time.runTo(region.time.nowUs + 100 * US_PER_MS);
          region.time.runTo(region.time.nowUs + 3 * US_PER_S);
          const { high, low } = keyOf(SHARED);
          const left = region.holders.map(({ balances }) => balances.find(SHARED, high, low)?.left ?? 0);
          expect(region.home.book.lentOf(SHARED, high, low)).toBe(0);
          expect(left.filter((units) => units > 0)).toEqual([]);
          for (const { waiting, balances } of region.holders) {
            expect(waiting.size).toBe(0);
            expect(balances.find(SHARED, high, low)?.reservations.size ?? 0).toBe(0);
          }
        }),
        { numRuns: 10 },
      );
    },
    TIMEOUT_MS,
  );
});
