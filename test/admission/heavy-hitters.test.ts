import { describe, expect, it } from "vitest";
import { HeavyHitters, HITTER_HALF_LIFE_US, mergeHitters } from "../../admission/heavy-hitters.ts";
import { micros } from "../../core/units.ts";
import { NOW_US } from "../actors/lone-shard-actor.ts";

const START_US = NOW_US - (NOW_US % HITTER_HALF_LIFE_US);

/** Hitters with a clock, whose keys are numbers and whose policies are named by their index. */
class Desk {
  readonly hitters: HeavyHitters;
  nowUs = START_US;
  names = ["zero", "one"];

  constructor(rows?: number) {
    this.hitters = new HeavyHitters(rows);
  }

  refuse(key: number, policy = 0, times = 1): void {
    for (let i = 0; i < times; i += 1) {
      if (this.hitters.refused(key, key, policy, micros(this.nowUs), 5_000)) continue;
      const name = this.names[policy] as string;
      this.hitters.name({ tenant: "acme", dimension: "key", key: `k${key}`, policy: name });
    }
  }

  counts(): [string, number][] {
    return this.hitters
      .report(micros(this.nowUs))
      .hitters.map(({ key, policy, count }) => [`${key} ${policy}`, count]);
  }
}

describe("HeavyHitters", () => {
  it("lists who was refused, most refused first, and until when the last refusal holds", () => {
    const desk = new Desk();
    desk.refuse(1, 0, 2);
    desk.nowUs += 10;
    desk.refuse(2, 0, 3);
    expect(desk.hitters.report(micros(desk.nowUs))).toEqual({
      total: 5,
      unseenMax: 0,
      hitters: [
        {
          tenant: "acme",
          dimension: "key",
          key: "k2",
          policy: "zero",
          count: 3,
          errorMax: 0,
          lastUs: START_US + 10,
          untilUs: START_US + 5_010,
        },
        expect.objectContaining({ key: "k1", count: 2, lastUs: START_US, untilUs: START_US + 5_000 }),
      ],
    });
  });

  it("counts a key apart under each policy", () => {
    const desk = new Desk();
    desk.refuse(1, 0);
    desk.refuse(1, 1, 2);
    expect(desk.counts()).toEqual([
      ["k1 one", 2],
      ["k1 zero", 1],
    ]);
  });

  it("asks for a name once a row", () => {
    const { hitters } = new Desk();
    const refuse = () => hitters.refused(1, 1, 0, micros(START_US), 0);
    expect([refuse(), refuse(), refuse()]).toEqual([false, true, true]);
    // Nobody said whose it is.
    expect(hitters.report(micros(START_US))).toMatchObject({ total: 3, hitters: [] });
  });

  it("halves counts with time and gives up what has faded, so that an old crowd makes room", () => {
    const desk = new Desk(4);
    for (let key = 0; key < 4; key += 1) desk.refuse(key);
    desk.nowUs += HITTER_HALF_LIFE_US;
    expect(desk.counts()[0]).toEqual(["k0 zero", 0.5]);
    desk.nowUs += 6 * HITTER_HALF_LIFE_US;
    expect(desk.counts()).toEqual([]);
    desk.refuse(9);
    const [hitter] = desk.hitters.report(micros(desk.nowUs)).hitters;
    expect(hitter?.errorMax).toBeLessThan(1 / 64);
    expect(desk.hitters.report(micros(desk.nowUs)).total).toBeCloseTo(1 + 4 / 128, 4);
  });

  it("gives up the least refused key, also after counts have halved", () => {
    const desk = new Desk(3);
    for (const [key, times] of [
      [1, 4],
      [2, 40],
      [3, 41],
      [4, 1],
    ] as const) {
      desk.refuse(key, 0, times);
    }
    expect(desk.counts()).toEqual([
      ["k3 zero", 41],
      ["k2 zero", 40],
      ["k4 zero", 5],
    ]);
    desk.refuse(4, 0, 55);
    desk.refuse(5, 0, 31);
    expect(desk.counts()).toEqual([
      ["k5 zero", 71],
      ["k4 zero", 60],
      ["k3 zero", 41],
    ]);
    // Now k5 has less than what was the least before, but not the least.
    desk.nowUs += HITTER_HALF_LIFE_US;
    desk.refuse(6);
    expect(desk.counts().map(([name]) => name)).toEqual(["k5 zero", "k4 zero", "k6 zero"]);
  });

  it("forgets everything over a leap of years, and goes on when the clock is set back", () => {
    const desk = new Desk();
    desk.refuse(1, 0, 1_000_000);
    desk.nowUs += 1e15;
    expect(desk.counts()).toEqual([]);
    desk.refuse(2);
    desk.nowUs = START_US;
    desk.refuse(2);
    expect(desk.counts()).toEqual([["k2 zero", expect.closeTo(2, 4)]]);
    desk.nowUs += HITTER_HALF_LIFE_US;
    expect(desk.counts()).toEqual([["k2 zero", expect.closeTo(1, 4)]]);
  });

  it("lets go of a key that was reset, and of no other", () => {
    const desk = new Desk();
    for (let key = 0; key < 8; key += 1) desk.refuse(key * 512);
    desk.hitters.forget(3 * 512, 3 * 512, 0);
    desk.hitters.forget(99, 99, 0);
    expect(new Set(desk.counts().map(([name]) => name))).toEqual(
      new Set([0, 1, 2, 4, 5, 6, 7].map((key) => `k${key * 512} zero`)),
    );
    desk.refuse(3 * 512);
    expect(desk.counts()).toHaveLength(8);
  });

  it("follows its policies through a reload", () => {
    const desk = new Desk();
    desk.refuse(1, 0);
    desk.refuse(2, 1);
    desk.names = ["new", "one", "two"];
    desk.hitters.adopt([{ name: "new" }, { name: "two" }, { name: "one" }]);
    expect(desk.counts()).toEqual([["k2 one", 1]]);
    expect(desk.hitters.refused(2, 2, 2, micros(desk.nowUs), 0)).toBe(true);
    expect(desk.hitters.refused(2, 2, 1, micros(desk.nowUs), 0)).toBe(false);
  });
});

it("adds up a key that several processes refuse, and what they may have missed", () => {
  const one = new Desk(1);
  one.refuse(1, 0, 5);
  const other = new Desk(1);
  other.refuse(1, 0, 2);
  other.refuse(2, 0, 1);
  const reports = [one, other].map((desk) => desk.hitters.report(micros(START_US)));
  expect(mergeHitters(reports)).toMatchObject({
    total: 8,
    unseenMax: 2,
    hitters: [
      { key: "k1", count: 7, errorMax: 2 },
      { key: "k2", count: 3, errorMax: 2 },
    ],
  });
  expect(mergeHitters([])).toEqual({ total: 0, unseenMax: 0, hitters: [] });
});
