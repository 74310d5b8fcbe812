import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SimulatedMember } from "./simulated-member.ts";
import { NO_FAULTS, SimulatedRegion, type ClientMessage, type Faults } from "./simulated-region.ts";

const KEYS = 120;
const SECOND_US = 1_000_000;
/** A tenth would do where nothing else runs. */
const PATIENCE_MS = 120_000;
const BUSY_US = 2 * SECOND_US;
const AFTER_ABORT_US = 100_000;

interface Traffic {
  readonly seed: number;
  readonly moves: number;
  /** Messages a second. */
  readonly rate: number;
}

interface Run {
  readonly region: SimulatedRegion;
  readonly members: readonly SimulatedMember[];
}

/** Three members, `moves` requests for the shard within two seconds, messages all the time. */
function simulate({ seed, moves, rate }: Traffic, faults: Faults): Run {
  const region = new SimulatedRegion(seed, faults, KEYS);
  const { timeline, prng } = region;
  const members = ["a", "b", "c"].map((id) => new SimulatedMember(id, region));
  for (const member of members) member.run();
  members[0]?.openWith(region.ledger, 1);
  for (let i = 0; i < moves; i += 1) {
    timeline.at(prng.below(BUSY_US), () => {
      const member = members[prng.below(members.length)];
      member?.wake(() => member.askForShard());
    });
  }
  breakThings(region, members);
  const send = (): void => {
    // Some keys are charged more often than others.
    const key = `k${prng.below(1 + prng.below(KEYS + 20))}`;
    region.publish(key, prng.ratio(1, 10) ? "report" : prng.ratio(1, 10) ? "reset" : "check");
    if (timeline.nowUs < BUSY_US) timeline.after(1 + prng.below(Math.floor((2 * SECOND_US) / rate)), send);
  };
  timeline.at(1_000, send);
  timeline.runUntil(BUSY_US);
  region.faults = { ...NO_FAULTS, isCluster: faults.isCluster };
  timeline.runUntil(BUSY_US + 8 * SECOND_US);
  return { region, members };
}

/** Crashes all but one member at most. */
function breakThings(region: SimulatedRegion, members: readonly SimulatedMember[]): void {
  const { timeline, prng, faults } = region;
  const crash = (): void => {
    const alive = members.filter(({ isCrashed }) => !isCrashed);
    if (alive.length > 1) alive[prng.below(alive.length)]?.crash();
  };
  const pause = (): void => {
    const us = prng.ratio(1, 2) ? 100_000 : 3 * SECOND_US;
    members[prng.below(members.length)]?.pause(prng.below(us));
  };
  for (let i = 0; i < faults.pauses; i += 1) timeline.at(prng.below(BUSY_US), pause);
  const remake = (): void => region.remake();
  for (let i = 0; i < faults.crashes; i += 1) timeline.at(prng.below(BUSY_US), crash);
  for (let i = 0; i < faults.remakes; i += 1) timeline.at(prng.below(BUSY_US), remake);
  region.onFreeze = () => {
    if (!region.chance(region.faults.badFreezes)) return;
    const troubles = faults.remakes > 0 ? [crash, pause, remake, remake] : [crash, pause];
    timeline.after(prng.below(2_500), troubles[prng.below(troubles.length)] as () => void);
  };
}

/** What must hold whatever happens. */
function expectExactlyOnce(region: SimulatedRegion): void {
  expect(region.violations).toEqual([]);
  const times = new Map<number, number>();
  for (const { message } of region.decisions) {
    if (message.replyTo !== "") times.set(message.number, (times.get(message.number) ?? 0) + 1);
  }
  const twice = [...times].filter(([, count]) => count > 1).map(([number]) => number);
  expect(twice, "messages decided more than once").toEqual([]);
}

/** What came while the shard was frozen is decided once the giver has given up; how many such there were. */
function expectParkedDecided({ owed, decisions }: SimulatedRegion): number {
  const decided = new Set(decisions.map(({ message }) => message.number));
  // What was parked is decided within a few milliseconds, unless the process stops or the shard goes meanwhile.
  const sure = owed.filter(({ by, sinceUs }) => !by.hadTrouble(sinceUs, sinceUs + AFTER_ABORT_US));
  const open = sure.filter(({ message }) => !decided.has(message.number));
  expect(open.map(({ message }) => message.number)).toEqual([]);
  return sure.length;
}

/** What nobody waits for is charged: twice, if both were subscribed when it came. */
function expectReportsCharged(region: SimulatedRegion): void {
  const sent = new Map<string, number>();
  const note = (message: ClientMessage, by: number): void => {
    const name = `${message.key} ${new TextDecoder().decode(message.payload)}`;
    if (message.replyTo === "") sent.set(name, (sent.get(name) ?? 0) + by);
  };
  for (const message of region.messages) note(message, 1);
  for (const { message } of region.decisions) note(message, -1);
  expect([...sent].filter(([, uncharged]) => uncharged > 0)).toEqual([]);
  const doubles = [...sent.values()].reduce((sum, uncharged) => sum - uncharged, 0);
  const transfers = region.ended.filter(({ outcome }) => outcome === "adopted").length;
  // At most 250 reports a second, and some 20 ms from READY to the freeze.
  expect(doubles).toBeLessThanOrEqual(20 * transfers);
}

/** One member serves, with every charge ever made. */
function expectServing({ region, members }: Run): void {
  const before = region.decisions.length;
  for (let i = 0; i < 20; i += 1) region.publish(`k${i}`, "check");
  region.timeline.runUntil(region.timeline.nowUs + SECOND_US);
  expect(region.decisions.length - before).toBe(20);
  const owners = members.filter(({ isCrashed, counts }) => !isCrashed && counts !== undefined);
  expect(owners.map(({ id }) => id)).toEqual([region.owner.id]);
  expect(Object.fromEntries(owners[0]?.counts ?? [])).toEqual(Object.fromEntries(region.ledger));
  expect(region.violations).toEqual([]);
}

const traffic = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  moves: fc.integer({ min: 1, max: 12 }),
  rate: fc.constantFrom(200, 1_000, 2_500),
});
const perMille = (max: number): fc.Arbitrary<number> => fc.oneof(fc.constant(0), fc.integer({ min: 0, max }));
const faults: fc.Arbitrary<Faults> = fc.record({
  isCluster: fc.boolean(),
  lost: perMille(60),
  doubled: perMille(200),
  heldUp: perMille(60),
  damaged: perMille(40),
  casUnknown: fc.constantFrom(0, 300, 700),
  pauses: fc.integer({ min: 0, max: 6 }),
  crashes: fc.integer({ min: 0, max: 2 }),
  remakes: fc.constantFrom(0, 0, 1, 3),
  badFreezes: fc.constantFrom(0, 0, 300, 1_000),
});

describe("handoffs", () => {
  it.each([
    ["one server", false],
    ["a cluster of servers", true],
  ])(
    "answer every message exactly once when nothing fails, over %s",
    (_, isCluster) => {
      let moved = 0;
      fc.assert(
        fc.property(traffic, (run) => {
          const ran = simulate(run, { ...NO_FAULTS, isCluster });
          const { region } = ran;
          expectExactlyOnce(region);
          const decided = new Set(region.decisions.map(({ message }) => message.number));
          const asked = region.messages.filter(({ replyTo }) => replyTo !== "");
          expect(asked.filter(({ number }) => !decided.has(number)).map(({ number }) => number)).toEqual([]);
          expectReportsCharged(region);
          for (const { role, outcome, error, isLongFreeze } of region.ended) {
            // Two may ask at the same time, or the one who asks may not have seen the last move.
            if (outcome === "aborted") expect(["PARL_NOT_OWNER", "PARL_OVERLOADED"]).toContain(error?.code);
            else expect(outcome).toBe(role === "giver" ? "moved" : "adopted");
            expect(isLongFreeze).toBe(false);
            if (outcome === "moved") moved += 1;
          }
          // One way from giver to server, one from server to taker.
          for (const us of region.undecidedUs) expect(us).toBeLessThanOrEqual(2 * 450);
          expectServing(ran);
        }),
        { numRuns: 30 },
      );
      expect(moved).toBeGreaterThan(30);
    },
    PATIENCE_MS,
  );

  it(
    "never decide twice, by two, or in vain, whatever fails; and the shard is served in the end",
    () => {
      const outcomes = new Map<string, number>();
      let parked = 0;
      fc.assert(
        fc.property(traffic, faults, (run, faulty) => {
          const ran = simulate(run, faulty);
          const { region } = ran;
          expectExactlyOnce(region);
          parked += expectParkedDecided(region);
          expectServing(ran);
          for (const { outcome } of region.ended) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        }),
        // The runs that are counted below are among these.
        { numRuns: 120, seed: 20_261_122 },
      );
      // Else the run proves less than it says.
      for (const outcome of ["moved", "adopted", "aborted", "lost", "recover"] as const) {
        expect(outcomes.get(outcome) ?? 0, outcome).toBeGreaterThan(0);
      }
      expect(parked).toBeGreaterThan(100);
    },
    PATIENCE_MS,
  );
});
