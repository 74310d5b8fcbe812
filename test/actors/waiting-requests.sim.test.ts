/**
 * A process decides checks under a limit whose home falls silent and comes back, again and again: nobody is made
 * to wait for it but the first, and one now and then; nothing is admitted that the limit does not allow.
 */
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { homeShard, orgShard } from "../../core/key.ts";
import { PackedRequestWriter } from "../../core/packed-request.ts";
import { US_PER_MS, US_PER_S } from "../../core/units.ts";
import { NO_FAULTS } from "../admission/loan-network.ts";
import { itemsOf, policiesOf } from "./lone-shard-actor.ts";
import { SIMULATED_SHARDS, SimulatedActors } from "./simulated-actors.ts";

const TIMEOUT_MS = 60_000;
const ORG = orgShard("acme", SIMULATED_SHARDS);
const KEYS = Array.from({ length: 60 }, (_, i) => `k${i}`).filter(
  (key) => homeShard("acme", key, SIMULATED_SHARDS) !== ORG,
);
/** A check that has waited has done so for at least as long. */
const SLOW_US = 30 * US_PER_MS;
const DEADLINE_US = 250 * US_PER_MS;
const PROBE_US = 500 * US_PER_MS;
const TICK_US = 10 * US_PER_MS;

const ownerOf = (shard: number): number => (shard === ORG ? 1 : 0);

interface Story {
  readonly seed: number;
  readonly limit: number;
  readonly pauseUs: number;
  readonly costMost: number;
  readonly isPacked: boolean;
  readonly onFailure: "allow" | "deny";
  /** Milliseconds that the home is heard, and silent, in turns. */
  readonly turns: readonly (readonly [number, number])[];
}

const stories: fc.Arbitrary<Story> = fc.record({
  seed: fc.nat(),
  limit: fc.constantFrom(30, 300, 3_000),
  pauseUs: fc.constantFrom(1_000, 7_000, 40_000),
  costMost: fc.constantFrom(1, 5, 40),
  isPacked: fc.boolean(),
  onFailure: fc.constantFrom("allow", "deny"),
  turns: fc.array(fc.tuple(fc.integer({ min: 700, max: 1_500 }), fc.integer({ min: 300, max: 3_500 })), {
    minLength: 1,
    maxLength: 3,
  }),
});

interface Asked {
  readonly to: string;
  readonly key: string;
  readonly cost: number;
  readonly atUs: number;
}

class Run {
  readonly all: SimulatedActors;
  readonly asked: Asked[] = [];
  /** From when to when the home kept silent. */
  readonly silences: (readonly [number, number])[] = [];
  readonly #story: Story;

  constructor(story: Story) {
    const { seed, limit, onFailure } = story;
    this.#story = story;
    const policies = policiesOf(
      "name: key, dimension: key, algorithm: fixed-window, limit: 100000, window: 1d",
      `name: org, dimension: org, algorithm: fixed-window, limit: ${limit}, window: 1d, onFailure: ${onFailure}`,
    );
    this.all = new SimulatedActors({ policies, members: 2, ownerOf, seed, faults: NO_FAULTS });
    this.#offer();
    for (const [heardMs, silentMs] of story.turns) {
      this.all.pass(heardMs * US_PER_MS);
      const fromUs = this.all.time.nowUs;
      this.all.member(1).isSilent = true;
      this.all.pass(silentMs * US_PER_MS);
      this.all.member(1).isSilent = false;
      this.silences.push([fromUs, this.all.time.nowUs]);
    }
    this.all.pass(5 * US_PER_S);
  }

  isAllowed({ to }: Asked): boolean {
    const bytes = this.all.answerTo(to);
    if (!this.#story.isPacked) return this.all.json(to)["allowed"] === true;
    return itemsOf(bytes)[0]?.["outcome"] === "allowed";
  }

  waitedUs({ to, atUs }: Asked): number {
    return (this.all.answeredUs.get(to) ?? Infinity) - atUs;
  }

  /** From when on the home was known to be silent; undefined when nobody needed it for so long. */
  knownUs([fromUs, toUs]: readonly [number, number]): number | undefined {
    const ends = this.asked
      .filter((one) => one.atUs >= fromUs && this.waitedUs(one) >= DEADLINE_US)
      .map((one) => one.atUs + this.waitedUs(one));
    const first = Math.min(...ends);
    return first < toUs ? first : undefined;
  }

  #offer(): void {
    const { all } = this;
    const { prng } = all.time;
    const { pauseUs, costMost, isPacked } = this.#story;
    all.time.at(all.time.nowUs + 1 + prng.below(2 * pauseUs), () => {
      const key = KEYS[prng.below(KEYS.length)] as string;
      const cost = 1 + prng.below(costMost);
      const atUs = all.time.nowUs;
      let to: string;
      if (isPacked) {
        const writer = new PackedRequestWriter("check");
        writer.add("approximate", cost, key, "", "");
        to = all.askFrame("acme", homeShard("acme", key, SIMULATED_SHARDS), writer.take(0));
      } else to = all.askJson("check", "acme", key, { tokens: cost }, 0);
      this.asked.push({ to, key, cost, atUs });
      if (this.#asking) this.#offer();
    });
  }

  get #asking(): boolean {
    const last = this.silences.length === this.#story.turns.length ? this.silences.at(-1) : undefined;
    return last === undefined || this.all.time.nowUs < last[1] + 2 * US_PER_S;
  }
}

it(
  "are not made to wait for a home that keeps silent, but for one check in 500 ms, and are as soon as it answers",
  () => {
    let spared = 0;
    fc.assert(
      fc.property(stories, (story) => {
        const run = new Run(story);
        for (const silence of run.silences) {
          const [, toUs] = silence;
          const knownUs = run.knownUs(silence);
          if (knownUs === undefined) continue;
          const during = run.asked.filter(({ atUs }) => atUs > knownUs && atUs < toUs);
          const slow = during.filter((one) => run.waitedUs(one) > SLOW_US);
          expect(slow.length).toBeLessThanOrEqual(Math.ceil((toUs - knownUs) / PROBE_US));
          spared += during.length - slow.length;
        }
        // Somebody needs it within 500 ms, or what was asked of it is asked again within a second.
        const [, lastUs] = run.silences.at(-1) as readonly [number, number];
        const after = run.asked.filter(({ atUs }) => atUs > lastUs + US_PER_S + 2 * TICK_US);
        expect(after.filter((one) => run.waitedUs(one) > SLOW_US)).toEqual([]);
        const admitted = run.asked.filter((one) => run.isAllowed(one));
        const units = admitted.reduce((sum, { cost }) => sum + cost, 0);
        if (story.onFailure === "deny") expect(units).toBeLessThanOrEqual(story.limit);
        // And what was let through is known at home, as far as the limit can tell.
        const { used } = run.all.usedOf("org", "acme", "", "");
        expect(used).toBe(Math.min(units, story.limit));
      }),
      { numRuns: 100 },
    );
    expect(spared).toBeGreaterThan(1_000);
  },
  TIMEOUT_MS,
);
