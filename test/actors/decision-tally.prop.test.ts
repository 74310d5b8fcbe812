/**
 * A denial that is counted as firm is right: one place that knows everything admitted so far denies it too.
 * Checks over two dimensions in simulated processes, with messages lost and late; windows so long that nothing
 * drains, so that what is admitted can be counted.
 */
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { DENIAL_DOUBTS, FIRM } from "../../admission/denial-doubt.ts";
import type { NetworkFaults } from "../admission/loan-network.ts";
import { policiesOf } from "./lone-shard-actor.ts";
import { SimulatedActors, type SimulatedMember, type SimulatedOptions } from "./simulated-actors.ts";

const TIMEOUT_MS = 120_000;
const KEYS = ["k1", "k2", "k3", "k4", "k5", "k6"] as const;
const ORG = "whole";

interface Act {
  readonly afterUs: number;
  readonly key: (typeof KEYS)[number];
  readonly cost: number;
}

interface Story {
  readonly seed: number;
  readonly members: number;
  readonly algorithm: string;
  readonly limits: readonly [key: number, org: number];
  readonly faults: NetworkFaults;
  readonly acts: readonly Act[];
}

const stories: fc.Arbitrary<Story> = fc.record({
  seed: fc.nat(),
  members: fc.constantFrom(2, 3),
  algorithm: fc.constantFrom(...ALGORITHMS),
  limits: fc.tuple(fc.constantFrom(20, 1_000), fc.constantFrom(30, 300)),
  faults: fc.record({
    loss: fc.constantFrom(0, 10),
    repeat: fc.constantFrom(0, 20),
    slow: fc.constantFrom(0, 20),
    slowUs: fc.constantFrom(20_000, 400_000),
  }),
  acts: fc.array(
    fc.record({
      afterUs: fc.oneof(fc.constant(0), fc.nat(3_000), fc.nat(60_000)),
      key: fc.constantFrom(...KEYS),
      cost: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 60 })),
    }),
    { minLength: 30, maxLength: 120, size: "max" },
  ),
});

class Watched extends SimulatedActors {
  readonly limits: readonly [key: number, org: number];
  readonly asked = new Map<string, Act>();
  readonly admitted = new Map<string, number>();
  /** Denials by doubt, and firm ones that were wrong. */
  readonly denials = DENIAL_DOUBTS.map(() => 0);
  readonly wrong: string[] = [];

  constructor(options: SimulatedOptions, limits: readonly [key: number, org: number]) {
    super(options);
    this.limits = limits;
  }

  ask(act: Act): void {
    // Known by the time of the answer, which may come within the asking.
    this.asked.set(`r${this.asked.size + 1}`, act);
    this.askJson("check", "acme", act.key, { tokens: act.cost });
  }

  override answered(to: string, payload: Uint8Array, by: SimulatedMember): void {
    super.answered(to, payload, by);
    const act = this.asked.get(to);
    if (act === undefined) return;
    const { key, cost } = act;
    const answer = this.json(to);
    const places = [key, ORG];
    if (answer["allowed"] === true) {
      for (const place of places) this.admitted.set(place, (this.admitted.get(place) ?? 0) + cost);
    } else if (answer["outcome"] === "denied") {
      const { doubt } = by.actor.admission;
      this.denials[doubt] = (this.denials[doubt] as number) + 1;
      const wouldFit = places.every(
        (place, i) => (this.admitted.get(place) ?? 0) + cost <= (this.limits[i] as number),
      );
      if (doubt === FIRM && wouldFit) this.wrong.push(`${to} ${JSON.stringify(act)}`);
    }
  }
}

it("counts no denial as firm that was wrong", { timeout: TIMEOUT_MS }, () => {
  const seen = DENIAL_DOUBTS.map(() => 0);
  fc.assert(
    fc.property(stories, ({ seed, members, algorithm, limits, faults, acts }) => {
      const policies = ["key", "org"].map(
        (dimension, i) =>
          `name: ${dimension}, dimension: ${dimension}, algorithm: ${algorithm}, limit: ${limits[i]}, window: 1d, onFailure: deny`,
      );
      const region = new Watched({ policies: policiesOf(...policies), members, seed, faults }, limits);
      for (const act of acts) {
        region.pass(act.afterUs);
        region.ask(act);
      }
      region.calm();
      region.pass(1_000_000);
      expect(region.wrong).toEqual([]);
      for (const [doubt, count] of region.denials.entries()) seen[doubt] = (seen[doubt] as number) + count;
      const told = region.members.map((member) => member.observe().tallies?.denials);
      const counted = DENIAL_DOUBTS.map((name) =>
        told.reduce((sum, denials) => sum + (denials?.[name] ?? 0), 0),
      );
      expect(counted).toEqual(region.denials);
    }),
    { numRuns: 150 },
  );
  // Every kind has come up, so each was put to the test.
  expect(Math.min(...seen)).toBeGreaterThan(0);
});
