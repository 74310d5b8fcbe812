import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compilePolicies } from "../../admission/policy-set.ts";
import type { Policy } from "../../admission/policy.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_MS, US_PER_S } from "../../core/units.ts";
import { Network, NO_FAULTS, VirtualTime, type NetworkFaults } from "./loan-network.ts";
import { Home, HolderProcess, keyOf, type HolderCheck } from "./loan-processes.ts";

const START_US = 1_700_000_000 * US_PER_S;
const REMOTES = [1, 2, 3];
/** 250 ms, and a tick of 10 ms. */
const WAIT_MAX_US = 260_000;

interface Story {
  readonly seed: number;
  /** Of the key every holder has to itself, and of those of the home. */
  readonly limits: readonly number[];
  readonly holders: number;
  readonly faults: NetworkFaults;
  readonly pauseUs: number;
  /** Decisions fail within these milliseconds. */
  readonly failing: readonly [number, number];
  readonly forgetsMs: number;
}

const stories: fc.Arbitrary<Story> = fc.record({
  seed: fc.nat(),
  limits: fc.array(fc.constantFrom(20, 100, 400, 2_000), { minLength: 4, maxLength: 4 }),
  holders: fc.integer({ min: 1, max: 3 }),
  faults: fc.record({
    loss: fc.constantFrom(0, 3, 30),
    repeat: fc.constantFrom(0, 10),
    slow: fc.constantFrom(0, 10),
    slowUs: fc.constantFrom(20_000, 400_000),
  }),
  pauseUs: fc.constantFrom(4_000, 20_000),
  failing: fc.constantFrom<[number, number]>([0, 0], [700, 720], [1_000, 1_400]),
  forgetsMs: fc.constantFrom(0, 0, 900),
});

/** Policies whose windows do not end within a story: what was charged stays charged, to the unit. */
function policiesOf({ limits }: Story) {
  const policies = limits.map((limit, index): Policy => ({
    name: `p${index}`,
    dimension: index === 0 ? "user" : "org",
    match: {},
    onFailure: "deny",
    algorithm: "fixed-window",
    limit,
    windowUs: micros(366 * 86_400 * US_PER_S),
  }));
  return compilePolicies({ policies, plans: new Map() });
}

class Region {
  readonly time: VirtualTime;
  readonly network: Network;
  readonly home: Home;
  readonly holders: HolderProcess[];

  constructor(story: Story) {
    this.time = new VirtualTime(story.seed, START_US);
    this.network = new Network(this.time, story.faults);
    this.home = new Home(this.time, this.network, policiesOf(story));
    this.holders = Array.from({ length: story.holders }, (_, i) => new HolderProcess(`m${i}`, this.home));
    this.home.book.members = 1 + story.holders;
    for (const holder of this.holders) {
      this.#offer(story, holder);
      const [fromMs, toMs] = story.failing;
      this.time.at(START_US + fromMs * US_PER_MS, () => (holder.isDeciding = fromMs === toMs));
      this.time.at(START_US + toMs * US_PER_MS, () => (holder.isDeciding = true));
      if (story.forgetsMs > 0) this.time.at(START_US + story.forgetsMs * US_PER_MS, () => holder.restart());
    }
  }

  /** Units charged to a key in all. */
  charged(limiter: KeyedLimiter, { high, low }: { high: number; low: number }): number {
    const verdict = new Verdict();
    limiter.evaluate(high, low, 0, this.home.nowUs, verdict);
    return verdict.limit - verdict.remaining;
  }

  #offer(story: Story, holder: HolderProcess): void {
    const { prng } = this.time;
    this.time.at(this.time.nowUs + prng.below(2 * story.pauseUs), () => {
      if (this.time.nowUs > START_US + 2 * US_PER_S) return;
      const remotes = REMOTES.filter(() => prng.below(3) > 0);
      const cost = prng.below(10) > 0 ? 1 + prng.below(3) : 1 + prng.below(40);
      holder.check({ cost, isLocal: prng.below(2) === 0, remotes });
      this.#offer(story, holder);
    });
  }
}

function total(checks: readonly HolderCheck[]): number {
  return checks.reduce((sum, { cost }) => sum + cost, 0);
}

describe("checks over several keys, some of them elsewhere", () => {
  it("charge all of their keys or none, leave nothing set aside, and wait no longer than their deadline", () => {
    fc.assert(
      fc.property(stories, (story) => {
        const region = new Region(story);
        region.time.runTo(START_US + 2 * US_PER_S + 300 * US_PER_MS);
        for (const { waiting, pending } of region.holders)
          expect([waiting.size, pending.keys]).toEqual([0, 0]);
        region.network.faults = NO_FAULTS;
        region.time.runTo(START_US + 8 * US_PER_S);

        const outcomes = region.holders.flatMap((holder) => holder.outcomes);
        for (const { waitedUs } of outcomes) expect(waitedUs).toBeLessThanOrEqual(WAIT_MAX_US);
        const allowed = outcomes.filter(({ isAllowed }) => isAllowed).map(({ check }) => check);
        let charged = 0;
        let owing = 0;
        for (const policyIndex of REMOTES) {
          const key = keyOf(policyIndex);
          const limiter = region.home.limiters[policyIndex] as KeyedLimiter;
          const admitted = total(allowed.filter(({ remotes }) => remotes.includes(policyIndex)));
          expect(admitted).toBeLessThanOrEqual(story.limits[policyIndex] as number);
          expect(region.home.book.lentOf(policyIndex, key.high, key.low)).toBe(0);
          expect(region.charged(limiter, key)).toBeGreaterThanOrEqual(admitted);
          charged += region.charged(limiter, key);
          owing += admitted;
          for (const { balances } of region.holders)
            expect(balances.find(policyIndex, key.high, key.low)?.reservations.size ?? 0).toBe(0);
        }
        // Charged at the homes is exactly what was admitted, and what holders that forgot it were lent.
        const { forfeited } = region.home.book.tally;
        expect(charged - owing).toBeLessThanOrEqual(forfeited);
        if (story.forgetsMs === 0) expect([charged, forfeited]).toEqual([owing, 0]);
        // And at home: a check that was denied after waiting has left no trace.
        for (const { limiter, outcomes: own } of region.holders) {
          const local = own.filter(({ isAllowed, check }) => isAllowed && check.isLocal);
          expect(region.charged(limiter, { high: 5, low: 5 })).toBe(total(local.map(({ check }) => check)));
        }
      }),
      { numRuns: 60 },
    );
  }, 120_000);
});
