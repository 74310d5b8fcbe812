/**
 * A region of one home and several holders under fire: everybody asks for more of one key than there is, while
 * messages are lost, processes die, forget, stall, hand over and change their policies.
 */
import * as fc from "fast-check";
import { expect } from "vitest";
import { readLoanRows } from "../../admission/loan-rows.ts";
import { compilePolicies, type PolicySet } from "../../admission/policy-set.ts";
import type { Policy } from "../../admission/policy.ts";
import type { AlgorithmName } from "../../algorithms/algorithm.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_MS, US_PER_S } from "../../core/units.ts";
import { Network, NO_FAULTS, VirtualTime, type NetworkFaults } from "./loan-network.ts";
import { Home, HolderProcess, keyOf, LEASE_TTL_US, type Spend } from "./loan-processes.ts";

export const START_US = 1_700_000_000 * US_PER_S;
/** The key that is lent of. */
export const SHARED = 1;
/** More than any rate that a story with acts allows. */
const HOME_PAUSE_US = 400;
export const LENT_ALGORITHMS = [
  "gcra",
  "fixed-window",
  "sliding-window",
  "sliding-log",
  "token-bucket",
  "leaky-bucket",
  "conservative-window",
] as const satisfies readonly AlgorithmName[];

const INCIDENTS = [
  "home crashes",
  "home stalls",
  "home hands over",
  "holder crashes",
  "holder stalls",
  "holder forgets",
  "holder is cut off",
  "limit is lowered",
  "limit is raised",
] as const;

interface Incident {
  readonly kind: (typeof INCIDENTS)[number];
  readonly atMs: number;
  readonly who: number;
}

export interface Story {
  readonly seed: number;
  readonly limit: number;
  readonly windowMs: number;
  readonly holders: number;
  readonly faults: NetworkFaults;
  /** Mean pause between two checks of a process, redrawn from these now and then. */
  readonly pausesUs: readonly number[];
  /** The holders slow down at some time; the home is quiet at first, and then takes all there is. */
  readonly acts?: { readonly holderMs: number; readonly holderUs: number; readonly homeMs: number };
  readonly incidents: readonly Incident[];
}

const faults: fc.Arbitrary<NetworkFaults> = fc.record({
  loss: fc.constantFrom(0, 2, 30),
  repeat: fc.constantFrom(0, 10),
  slow: fc.constantFrom(0, 5, 30),
  slowUs: fc.constantFrom(20_000, 400_000),
});

export const stories: fc.Arbitrary<Story> = fc.record({
  seed: fc.nat(),
  limit: fc.constantFrom(3, 40, 400, 3_000),
  windowMs: fc.constantFrom(200, 1_000, 5_000),
  holders: fc.integer({ min: 2, max: 4 }),
  faults,
  pausesUs: fc.constantFrom([2_000, 10_000, 200_000], [4_000], [1_000, 1_500_000], [50_000]),
  incidents: fc.array(
    fc.record({
      kind: fc.constantFrom(...INCIDENTS),
      atMs: fc.integer({ min: 200, max: 5_000 }),
      who: fc.nat(3),
    }),
    { maxLength: 4 },
  ),
});

const quiet: fc.Arbitrary<NetworkFaults> = fc.record({
  loss: fc.constantFrom(0, 3),
  repeat: fc.constant(0),
  slow: fc.constantFrom(0, 20),
  slowUs: fc.constantFrom(20_000, 900_000),
});

/**
 * A holder has a balance, and lives on it slowly and cut off, when the home dies. What the next home has charged
 * for it is over and forgotten by the time the home's own checks begin: whatever is spent then is one too many.
 */
export const homeDies: fc.Arbitrary<Story> = fc.record({
  seed: fc.nat(),
  limit: fc.constantFrom(400, 1_000),
  windowMs: fc.constantFrom(500, 1_000),
  holders: fc.constant(2),
  faults: quiet,
  pausesUs: fc.constant([3_000]),
  acts: fc.record({
    holderMs: fc.constantFrom(700, 1_000),
    holderUs: fc.constantFrom(60_000, 90_000),
    homeMs: fc.constant(3_300),
  }),
  incidents: fc
    .record({
      kind: fc.constantFrom("home crashes", "home stalls"),
      atMs: fc.integer({ min: 900, max: 1_400 }),
      // Counted from the incident: before it, or while a home that stalls still answers.
      cutOffMs: fc.constantFrom(-100, 1_400, 1_700),
    })
    .map(({ kind, atMs, cutOffMs }): Incident[] => [
      { kind: "holder is cut off", atMs: atMs + cutOffMs, who: 0 },
      { kind, atMs, who: 0 },
    ]),
});

/** A holder dies, or loses its memory, that has spent much in the window and not said so; then others ask. */
export const holderDies: fc.Arbitrary<Story> = fc.record({
  seed: fc.nat(),
  limit: fc.constantFrom(1_000, 3_000),
  windowMs: fc.constantFrom(2_500, 5_000),
  holders: fc.constant(2),
  faults: quiet,
  pausesUs: fc.constant([2_000]),
  acts: fc.constant({ holderMs: 1_500, holderUs: 60_000, homeMs: 1_500 }),
  incidents: fc
    .record({
      kind: fc.constantFrom("holder crashes", "holder stalls", "holder forgets"),
      atMs: fc.integer({ min: 400, max: 1_400 }),
    })
    .map((incident): Incident[] => [{ ...incident, who: 0 }]),
});

function policiesWith(algorithm: AlgorithmName, limit: number, windowMs: number, revision = 1): PolicySet {
  const windowUs = micros(windowMs * US_PER_MS);
  const same = { match: {}, onFailure: "deny" } as const;
  const own: Policy = {
    ...same,
    name: "own",
    dimension: "user",
    algorithm: "gcra",
    limit: 1_000_000,
    windowUs,
  };
  const shared: Policy = { ...same, name: "shared", dimension: "org", algorithm, limit, windowUs };
  return compilePolicies({ policies: [own, shared], plans: new Map() }, revision);
}

export class Region {
  readonly time: VirtualTime;
  readonly network: Network;
  readonly home: Home;
  readonly holders: HolderProcess[];
  readonly story: Story;
  readonly algorithm: AlgorithmName;
  /** The highest limit ever in force, and whether it was the only one. */
  limitMost: number;
  isLowered = false;
  isQuiet = false;
  refused = 0;
  readonly #verdict = new Verdict();

  constructor(algorithm: AlgorithmName, story: Story) {
    const { seed, limit, windowMs, faults: networkFaults } = story;
    this.story = story;
    this.algorithm = algorithm;
    this.limitMost = limit;
    this.time = new VirtualTime(seed, START_US);
    this.network = new Network(this.time, networkFaults);
    this.home = new Home(this.time, this.network, policiesWith(algorithm, limit, windowMs));
    this.holders = Array.from({ length: story.holders }, (_, i) => new HolderProcess(`m${i}`, this.home));
    this.home.book.members = 1 + story.holders;
    for (const { balances } of this.holders) balances.members = 1 + story.holders;
    const { pausesUs, acts } = story;
    const holderPauses = (): readonly number[] =>
      acts !== undefined && this.time.nowUs >= START_US + acts.holderMs * US_PER_MS
        ? [acts.holderUs]
        : pausesUs;
    for (const holder of this.holders)
      this.#offer((cost) => holder.check({ cost, isLocal: false, remotes: [SHARED] }), holderPauses);
    const homePauses = acts === undefined ? pausesUs : [HOME_PAUSE_US];
    this.time.at(START_US + (acts?.homeMs ?? 0) * US_PER_MS, () =>
      this.#offer(
        (cost) => this.home.check(SHARED, cost),
        () => homePauses,
      ),
    );
    for (const incident of story.incidents)
      this.time.at(START_US + incident.atMs * US_PER_MS, () => this.#happen(incident));
  }

  /** Everything admitted anywhere, in the order of time. */
  get spends(): Spend[] {
    const all = [this.home, ...this.holders].flatMap(({ spends }) => spends[SHARED] as Spend[]);
    return all.toSorted((a, b) => a.atUs - b.atUs);
  }

  /** Stops the traffic and mends everything. */
  calm(): void {
    this.isQuiet = true;
    this.network.faults = NO_FAULTS;
    for (const holder of this.holders) holder.network = this.network;
  }

  /** The ledger as the home has it, and the limiter: nothing is promised twice. */
  checkLedger(): void {
    const { home } = this;
    if (!home.isAlive) return;
    const { high, low } = keyOf(SHARED);
    const lent = home.book.lentOf(SHARED, high, low);
    const { units, granted, arrived, spent, returned, forfeited, gone } = home.book.tally;
    if (units !== lent || granted + arrived !== spent + returned + forfeited + gone + units) {
      throw new Error(`${lent} lent, counted ${JSON.stringify(home.book.tally)}`);
    }
    if (lent > 0 && !this.isLowered) {
      home.limiters[SHARED]?.evaluate(high, low, lent, home.nowUs, this.#verdict);
      if (this.#verdict.outcome !== "allowed") throw new Error(`lent ${lent} on top of what is charged`);
    }
  }

  /** Every unit that a holder may still spend, or has spent without saying, is lent to it. */
  checkHolders(): void {
    const { home } = this;
    if (!home.isAlive) return;
    const rows = readLoanRows(home.book.exportShard(SHARED)).map(({ row }) => row);
    const lents = rows.map(({ granted, spent, returned }) => granted - spent - returned);
    const { high, low } = keyOf(SHARED);
    expect(home.book.lentOf(SHARED, high, low)).toBe(lents.reduce((sum, lent) => sum + lent, 0));
    expect(Math.min(0, ...lents)).toBe(0);
    for (const { balances, holder, isAlive, monotonicUs } of this.holders) {
      const balance = balances.find(SHARED, high, low);
      if (!isAlive || balance === undefined) continue;
      expect(balance.left).toBe(balance.granted - balance.spent - balance.returned);
      if (balance.left === 0 || monotonicUs >= balance.expiresUs) continue;
      const index = rows.findIndex((row) => row.holder.incarnation === holder.incarnation);
      expect(rows[index]?.session).toEqual(balance.session);
      const unsaid = balance.spent - (rows[index]?.spent ?? 0);
      expect(balance.left + unsaid).toBeLessThanOrEqual(lents[index] ?? 0);
    }
  }

  /** Admits in one place, in the order of time, what was admitted in all: it must have fitted. */
  overAdmitted(): string[] {
    const { windowMs } = this.story;
    const policy = policiesWith(this.algorithm, this.limitMost, windowMs).policies[SHARED] as Policy;
    const limiter = new KeyedLimiter(createAlgorithm(policy));
    const verdict = new Verdict();
    return this.spends.flatMap(({ atUs, cost }) => {
      limiter.decide(1, 1, cost, micros(atUs), verdict);
      return verdict.outcome === "allowed" ? [] : [`${cost} at ${atUs - START_US} µs`];
    });
  }

  #offer(check: (cost: number) => void, pausesNow: () => readonly number[]): void {
    const { prng } = this.time;
    const { limit, acts } = this.story;
    const costMost = acts === undefined ? limit : 5;
    let pauseUs = 0;
    const next = (): void => {
      const pausesUs = pausesNow();
      if (prng.below(50) === 0 || !pausesUs.includes(pauseUs))
        pauseUs = pausesUs[prng.below(pausesUs.length)] as number;
      this.time.at(this.time.nowUs + prng.below(2 * pauseUs) + 1, () => {
        if (this.isQuiet) return;
        const draw = prng.below(100);
        check(draw < 80 ? 1 : draw < 97 ? 1 + prng.below(5) : 1 + prng.below(costMost));
        next();
      });
    };
    next();
  }

  #happen({ kind, who }: Incident): void {
    const { home, time } = this;
    if (this.isQuiet) return;
    const holder = this.holders[who % this.holders.length] as HolderProcess;
    switch (kind) {
      case "home crashes":
        home.crash();
        break;
      case "home stalls":
        home.isRenewing = false;
        time.at(home.renewedUs + LEASE_TTL_US, () => home.leaseLeftUs <= 0 && home.crash());
        break;
      case "home hands over":
        home.handOver();
        break;
      case "holder crashes":
        holder.crash();
        break;
      case "holder stalls":
        holder.isRenewing = false;
        time.at(holder.renewedUs + LEASE_TTL_US, () => holder.leaseLeftUs <= 0 && holder.crash());
        break;
      case "holder forgets":
        if (holder.isAlive) holder.restart();
        break;
      case "holder is cut off":
        holder.network = new Network(time, { ...NO_FAULTS, loss: 100 });
        time.at(time.nowUs + 3 * US_PER_S, () => (holder.network = this.network));
        break;
      case "limit is lowered":
        this.#setLimit(Math.ceil(this.story.limit / 3));
        break;
      case "limit is raised":
        this.#setLimit(this.story.limit * 2);
        break;
    }
  }

  #setLimit(limit: number): void {
    if (!this.home.isAlive) return;
    this.isLowered ||= limit < this.limitMost;
    this.limitMost = Math.max(this.limitMost, limit);
    const revision = this.home.policies.revision + 1;
    const policies = policiesWith(this.algorithm, limit, this.story.windowMs, revision);
    this.home.adopt(policies);
    for (const holder of this.holders)
      this.time.at(this.time.nowUs + this.time.prng.below(100_000), () => holder.adopt(policies));
  }
}
