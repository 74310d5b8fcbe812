/**
 * A region of shard actors with journals, whose processes die: whatever has been lent by then, in whatever
 * amounts, and whatever of the journal was under way, nobody is admitted more than any limit. Windows are so
 * long that nothing drains: what was admitted can be counted.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { globalShard, homeShard, orgShard } from "../../core/key.ts";
import { US_PER_MS, US_PER_S } from "../../core/units.ts";
import { NO_FAULTS, type NetworkFaults } from "../admission/loan-network.ts";
import { policiesOf } from "./lone-shard-actor.ts";
import { JournalledActors } from "./journal/journalled-actors.ts";
import { SIMULATED_SHARDS } from "./simulated-actors.ts";

const TIMEOUT_MS = 120_000;
const MEMBERS = 3;
const DIMENSIONS = ["key", "org", "global"] as const;
/** Where the coarse keys are at home. */
const homes = fc.constantFrom(orgShard("acme", SIMULATED_SHARDS), globalShard(SIMULATED_SHARDS));
/** Journals are open, and a takeover is over, after so long. */
const OPENED_US = 100 * US_PER_MS;
const TAKEN_OVER_US = 4 * US_PER_S;

/** Nobody is heard. */
const CUT: NetworkFaults = { ...NO_FAULTS, loss: 100 };

type Act =
  | { readonly do: "ask"; readonly key: number; readonly cost: number; readonly at: number }
  | { readonly do: "pass"; readonly us: number }
  | { readonly do: "move"; readonly shard: number; readonly to: number }
  | { readonly do: "crash"; readonly home: number }
  | { readonly do: "compact" | "cut" };

interface Story {
  readonly seed: number;
  readonly limits: readonly number[];
  readonly algorithms: readonly string[];
  readonly faults: NetworkFaults;
  readonly trouble: number;
}

const acts: fc.Arbitrary<Act[]> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constant("ask" as const),
        key: fc.nat(11),
        cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 300 })),
        at: fc.nat(MEMBERS - 1),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant("pass" as const),
        us: fc.oneof(fc.nat(2_000), fc.nat(40_000), fc.nat(700_000)),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("move" as const),
        shard: fc.nat(SIMULATED_SHARDS - 1),
        to: fc.nat(MEMBERS - 1),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("compact" as const) }) },
  ),
  { maxLength: 40, size: "max" },
);
/** A single check that costs much, and the death of a home that has lent for it, perhaps, or heard of it. */
const tragedies: fc.Arbitrary<Act[]> = fc
  .record({
    ask: fc.record({
      do: fc.constant("ask" as const),
      key: fc.nat(11),
      cost: fc.integer({ min: 20, max: 300 }),
      at: fc.nat(MEMBERS - 1),
    }),
    isCut: fc.boolean(),
    between: fc.array(
      fc.oneof(
        fc.constant({ do: "compact" } as const),
        fc.record({ do: fc.constant("move" as const), shard: homes, to: fc.nat(MEMBERS - 1) }),
      ),
      { maxLength: 2 },
    ),
    passUs: fc.array(fc.oneof(fc.nat(10_000), fc.nat(60_000), fc.nat(300_000)), {
      minLength: 4,
      maxLength: 4,
    }),
    home: homes,
  })
  .map(({ ask, isCut, between, passUs, home }) => {
    const passes = passUs.map((us): Act => ({ do: "pass", us }));
    const story: readonly Act[] = isCut ? [{ do: "cut" }, ...between] : between;
    const acted = story.flatMap((act, i) => [passes[i] as Act, act]);
    return [ask, ...acted, passes.at(-1) as Act, { do: "crash", home }];
  });
const stories: fc.Arbitrary<Story & { readonly acts: readonly Act[] }> = fc.record({
  seed: fc.nat(),
  limits: fc.array(fc.constantFrom(40, 150, 400, 2_000), { minLength: 3, maxLength: 3 }),
  algorithms: fc.array(fc.constantFrom(...ALGORITHMS), { minLength: 3, maxLength: 3 }),
  faults: fc.record({
    loss: fc.constantFrom(0, 5, 20),
    repeat: fc.constantFrom(0, 20),
    slow: fc.constantFrom(0, 20),
    slowUs: fc.constantFrom(20_000, 200_000),
  }),
  trouble: fc.constantFrom(0, 3, 20),
  acts: fc.tuple(acts, tragedies, acts, tragedies, acts).map((parts) => parts.flat()),
});

class Run {
  readonly region: JournalledActors;
  readonly #story: Story;
  readonly #asked: { readonly to: string; readonly key: string; readonly cost: number }[] = [];
  /** The most that was ever reserved of a key. */
  reservedMost = 0;

  constructor(story: Story) {
    this.#story = story;
    const { limits, algorithms, seed, faults, trouble } = story;
    const lines = DIMENSIONS.map(
      (dimension, i) =>
        `name: ${dimension}, dimension: ${dimension}, algorithm: ${algorithms[i]}, limit: ${limits[i]}, window: 1d, onFailure: deny`,
    );
    this.region = new JournalledActors({ policies: policiesOf(...lines), members: MEMBERS, seed, faults });
    this.region.all.pass(OPENED_US);
    this.region.trouble = trouble;
  }

  act(act: Act): void {
    const { region } = this;
    switch (act.do) {
      case "ask": {
        const key = `k${act.key}`;
        if (region.all.member(act.at).isSilent) return;
        const to = region.all.askJson("check", "acme", key, { tokens: act.cost }, act.at);
        this.#asked.push({ to, key, cost: act.cost });
        break;
      }
      case "pass":
        region.all.pass(act.us);
        break;
      case "move":
        region.move(act.shard, act.to);
        break;
      case "crash":
        region.crash(region.all.members.indexOf(region.all.ownerOf(act.home)));
        region.all.storm(this.#story.faults);
        break;
      case "cut":
        region.all.storm(CUT);
        break;
      case "compact":
        region.compact();
    }
    for (const { lending } of region.all.members) {
      for (let shard = 0; shard < SIMULATED_SHARDS; shard += 1)
        for (const { policyIndex, high, low } of lending.book.reservedKeys(shard))
          this.reservedMost = Math.max(this.reservedMost, lending.book.reservedOf(policyIndex, high, low));
    }
  }

  /** Everything that is left goes to whoever asks. */
  exhaust(): void {
    const { all } = this.region;
    all.calm();
    this.region.trouble = 0;
    all.pass(TAKEN_OVER_US);
    const at = all.members.findIndex(({ isSilent }) => !isSilent);
    for (const cost of [64, 16, 4, 1, 1, 1]) {
      for (let key = 0; key < 12; key += 1) {
        for (let i = 0; i < 8; i += 1) this.act({ do: "ask", key, cost, at });
        all.pass(100 * US_PER_MS);
      }
    }
    all.pass(US_PER_S);
  }

  /** Units admitted, by policy and key. */
  admitted(): Map<string, number> {
    const sums = new Map<string, number>();
    for (const { to, key, cost } of this.#asked) {
      const answers = this.region.all.answers.get(to) ?? [];
      expect(answers.length).toBeLessThanOrEqual(1);
      if (answers.length === 0 || this.region.all.json(to)["allowed"] !== true) continue;
      for (const place of [`key ${key}`, "org", "global"]) sums.set(place, (sums.get(place) ?? 0) + cost);
    }
    return sums;
  }

  expectWithin(): void {
    for (const [place, units] of this.admitted()) {
      const limit = this.#story.limits[DIMENSIONS.indexOf(place.split(" ")[0] as "key")] as number;
      expect([place, Math.max(limit, units)]).toEqual([place, limit]);
    }
  }
}

describe.each(ALGORITHMS)(
  "a single check of %s that was lent far more than a crash is charged for",
  (name) => {
    const org = orgShard("acme", SIMULATED_SHARDS);
    const pass: Act = { do: "pass", us: 60 * US_PER_MS };
    const compact: Act = { do: "compact" };

    it.each<{ when: string; before?: number; between: (next: number) => Act[] }>([
      { when: "at once", between: () => [] },
      { when: "and a snapshot was written", between: () => [compact, pass] },
      {
        when: "and a snapshot was written of what it spent before",
        before: 5,
        between: () => [compact, pass],
      },
      { when: "and its home was handed over", between: (to) => [{ do: "move", shard: org, to }, pass] },
      {
        when: "and its home was handed over and wrote a snapshot",
        between: (to) => [{ do: "move", shard: org, to }, pass, compact, pass],
      },
    ])(
      "is charged by the successor of a home that dies before it hears of it: $when",
      ({ before = 0, between }) => {
        const numbers = { limits: [2_000, 400, 2_000], algorithms: [name, name, name], trouble: 0 };
        const run = new Run({ seed: 1, faults: NO_FAULTS, ...numbers });
        const { all } = run.region;
        const key = Array.from({ length: 12 }, (_, i) => i).find((i) => {
          const decider = all.ownerOf(homeShard("acme", `k${i}`, SIMULATED_SHARDS));
          return decider !== all.ownerOf(org);
        }) as number;
        const decider = all.ownerOf(homeShard("acme", `k${key}`, SIMULATED_SHARDS));
        const next = all.members.findIndex((member) => member !== decider && member !== all.ownerOf(org));
        for (let i = 0; i < before; i += 1) run.act({ do: "ask", key, cost: 1, at: 0 });
        run.act({ do: "pass", us: 5 * US_PER_S });
        run.act({ do: "ask", key, cost: 300, at: 0 });
        const admitted = (): number => run.admitted().get("org") ?? 0;
        for (let i = 0; i < 200 && admitted() <= before; i += 1) run.act({ do: "pass", us: 100 });
        expect(admitted()).toBe(before + 300);
        expect(run.reservedMost).toBe(290);
        all.storm(CUT);
        for (const act of [...between(next), { do: "crash", home: org } as const]) run.act(act);
        run.exhaust();
        run.expectWithin();
        // And no more is denied than a crash costs.
        expect(admitted()).toBeGreaterThanOrEqual(380);
      },
    );
  },
);

it(
  "admits no more than any limit, whoever dies, however much a single check had been lent",
  () => {
    let reservedMost = 0;
    let crashes = 0;
    fc.assert(
      fc.property(stories, (story) => {
        const run = new Run(story);
        for (const act of story.acts) run.act(act);
        crashes += run.region.all.members.filter(({ isSilent }) => isSilent).length;
        run.exhaust();
        run.expectWithin();
        reservedMost = Math.max(reservedMost, run.reservedMost);
      }),
      { numRuns: 80 },
    );
    expect(reservedMost).toBeGreaterThan(100);
    expect(crashes).toBeGreaterThan(10);
  },
  TIMEOUT_MS,
);
