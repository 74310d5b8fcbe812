/**
 * Several shard actors with the shards of one region split between them: whatever happens to the messages
 * between them, together they admit no more than every limit, and each check counts under all of its
 * policies or under none. Windows are so long that nothing drains: what was admitted can be counted.
 */
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { homeShard } from "../../core/key.ts";
import { PackedRequestWriter } from "../../core/packed-request.ts";
import { US_PER_S } from "../../core/units.ts";
import type { NetworkFaults } from "../admission/loan-network.ts";
import { itemsOf, policiesOf } from "./lone-shard-actor.ts";
import { SIMULATED_SHARDS, SimulatedActors } from "./simulated-actors.ts";

const TIMEOUT_MS = 120_000;
/** Everything lent is back or accounted for after so long without faults. */
const SETTLED_US = 3 * US_PER_S;
const TENANTS = ["acme", "globex"] as const;
const USERS = ["", "u1", "u2", "u3"] as const;
const KEYS = ["k1", "k2", "k3", "k4"] as const;

interface Ask {
  readonly tenant: (typeof TENANTS)[number];
  readonly user: (typeof USERS)[number];
  readonly key: (typeof KEYS)[number];
  readonly cost: number;
  readonly isStrong: boolean;
}

interface Act {
  readonly afterUs: number;
  readonly asks: readonly Ask[];
  readonly isPacked: boolean;
  readonly isReport: boolean;
  /** A shard to be handed over to a member first. */
  readonly move: readonly [number, number] | undefined;
}

interface Story {
  readonly seed: number;
  readonly members: number;
  readonly limits: readonly number[];
  readonly algorithms: readonly string[];
  readonly faults: NetworkFaults;
  readonly acts: readonly Act[];
}

const asks: fc.Arbitrary<Ask> = fc.record({
  tenant: fc.constantFrom(...TENANTS),
  user: fc.constantFrom(...USERS),
  key: fc.constantFrom(...KEYS),
  cost: fc.oneof({ arbitrary: fc.constant(1), weight: 5 }, fc.nat(9), fc.nat(200)),
  isStrong: fc.integer({ min: 0, max: 19 }).map((draw) => draw === 0),
});
const acts: fc.Arbitrary<Act> = fc.record({
  afterUs: fc.oneof(fc.constant(0), fc.nat(2_000), fc.nat(40_000), fc.nat(400_000)),
  asks: fc.array(asks, { minLength: 1, maxLength: 12 }),
  isPacked: fc.boolean(),
  isReport: fc.integer({ min: 0, max: 11 }).map((draw) => draw === 0),
  move: fc.option(
    fc.tuple(fc.nat(SIMULATED_SHARDS - 1), fc.nat(2)).map(([shard, to]) => [shard, to] as const),
    { nil: undefined, freq: 10 },
  ),
});
const stories: fc.Arbitrary<Story> = fc.record({
  seed: fc.nat(),
  members: fc.constantFrom(2, 3),
  limits: fc.array(fc.constantFrom(10, 40, 150, 400, 2_000), { minLength: 4, maxLength: 4 }),
  algorithms: fc.array(fc.constantFrom(...ALGORITHMS), { minLength: 4, maxLength: 4 }),
  faults: fc.record({
    loss: fc.constantFrom(0, 5, 30),
    repeat: fc.constantFrom(0, 20),
    slow: fc.constantFrom(0, 20),
    slowUs: fc.constantFrom(20_000, 400_000),
  }),
  acts: fc.array(acts, { minLength: 1, maxLength: 40, size: "max" }),
});

/** What one answer says was admitted; `undefined` for an error. */
type Told = boolean | undefined;

class Run {
  readonly region: SimulatedActors;
  readonly limits: Readonly<Record<string, number>>;
  /** Units admitted or reported, by policy and key. */
  readonly counted = new Map<string, number>();
  readonly reported = new Set<string>();
  readonly asked: {
    to: string;
    asks: readonly Ask[];
    isPacked: boolean;
    isReport: boolean;
    shard: number;
  }[] = [];

  constructor({ seed, members, limits, algorithms, faults }: Story) {
    const dimensions = ["user", "key", "org", "global"];
    const lines = dimensions.map(
      (dimension, i) =>
        `name: ${dimension}, dimension: ${dimension}, algorithm: ${algorithms[i]}, limit: ${limits[i]}, window: 1d, onFailure: deny`,
    );
    this.limits = Object.fromEntries(dimensions.map((dimension, i) => [dimension, limits[i] as number]));
    this.region = new SimulatedActors({ policies: policiesOf(...lines), members, seed, faults });
  }

  act({ afterUs, asks: list, isPacked, isReport, move }: Act): void {
    const { region } = this;
    region.pass(afterUs);
    if (move !== undefined) region.move(move[0], move[1] % region.members.length);
    const verb = isReport ? "report" : "check";
    if (!isPacked) {
      for (const ask of list) {
        const { tenant, user, key, cost, isStrong } = ask;
        const tier = isStrong ? "strong" : "approximate";
        const fields = { tokens: cost, tier, ...(user === "" ? {} : { userId: user }) };
        const to = region.askJson(verb, tenant, key, fields);
        this.asked.push({ to, asks: [ask], isPacked, isReport, shard: -1 });
      }
      return;
    }
    const { tenant, user, key } = list[0] as Ask;
    const shard = homeShard(tenant, user === "" ? key : user, SIMULATED_SHARDS);
    const same = list.map((ask) => ({ ...ask, tenant }));
    const writer = new PackedRequestWriter(verb);
    for (const ask of same)
      writer.add(ask.isStrong ? "strong" : "approximate", ask.cost, ask.key, ask.user, "");
    const to = region.askFrame(tenant, shard, writer.take(0));
    this.asked.push({ to, asks: same, isPacked, isReport, shard });
  }

  /** Counts what every answer says; checks that there is one of each, in order. */
  count(): void {
    for (const { to, asks: list, isPacked, isReport, shard } of this.asked) {
      const told = isPacked ? this.#toldPacked(to, list, shard) : [this.#toldJson(to)];
      for (const [i, ask] of list.entries()) if (told[i] === true) this.#add(ask, isReport);
    }
  }

  /** At every home stands what was admitted, nothing is lent, nothing spoken for. */
  expectSettled(): void {
    const { region } = this;
    for (const { name, lending } of region.members) {
      expect([name, lending.pending.keys, lending.book.tally.forfeited]).toEqual([name, 0, 0]);
    }
    for (const [place, units] of this.counted) {
      const [policy, tenant, token] = JSON.parse(place) as [string, string, string];
      const limit = this.limits[policy] as number;
      if (!this.reported.has(place)) expect([place, units <= limit]).toEqual([place, true]);
      const { used, lent } = region.usedOf(policy, tenant, token, token);
      expect([place, used, lent]).toEqual([place, Math.min(limit, units), 0]);
    }
  }

  #toldJson(to: string): Told {
    const { error, allowed, charged } = this.region.json(to);
    return error === undefined ? allowed === true || charged !== undefined : undefined;
  }

  #toldPacked(to: string, list: readonly Ask[], shard: number): Told[] {
    const bytes = this.region.answerTo(to);
    if (bytes[1] !== 0x81) return list.map(() => undefined);
    const items = itemsOf(bytes);
    expect(items.length).toBe(list.length);
    return items.map((item, i) => {
      const { tenant, user, key, isStrong, cost } = list[i] as Ask;
      const home = homeShard(tenant, user === "" ? key : user, SIMULATED_SHARDS);
      if (isStrong) expect(item).toMatchObject({ kind: "error", errorCode: "PARL_TIER_UNAVAILABLE" });
      else if (home !== shard) expect(item).toEqual({ kind: "moved", shard: home });
      else if (item["kind"] === "decision") {
        const policy = item["text"] as string;
        expect(item).toMatchObject({ limit: this.limits[policy], dimension: policy });
        if (user === "") expect(policy).not.toBe("user");
        if (item["outcome"] === "unsatisfiable") expect(cost).toBeGreaterThan(this.limits[policy] as number);
      }
      return item["kind"] === "decision" ? item["outcome"] === "allowed" : undefined;
    });
  }

  #add({ tenant, user, key, cost }: Ask, isReport: boolean): void {
    const places: (readonly [string, string, string])[] = [
      ["key", tenant, key],
      ["org", tenant, ""],
      ["global", "", ""],
    ];
    if (user !== "") places.push(["user", tenant, user]);
    for (const place of places.map((parts) => JSON.stringify(parts))) {
      this.counted.set(place, (this.counted.get(place) ?? 0) + cost);
      if (isReport) this.reported.add(place);
    }
  }
}

it(
  "admit together what every limit allows, and count each check everywhere or nowhere",
  { timeout: TIMEOUT_MS },
  () => {
    let lent = 0;
    fc.assert(
      fc.property(stories, (story) => {
        const run = new Run(story);
        for (const act of story.acts) run.act(act);
        run.region.calm();
        run.region.pass(SETTLED_US);
        run.count();
        run.expectSettled();
        lent += run.region.loanMessages;
      }),
      { numRuns: 60 },
    );
    expect(lent).toBeGreaterThan(1_000);
  },
);
