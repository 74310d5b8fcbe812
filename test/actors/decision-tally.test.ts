/** What a process counts of the checks it decides: late ones, how waits end, how sure its denials are. */
import { describe, expect, it } from "vitest";
import { homeShard, orgShard } from "../../core/key.ts";
import { PackedRequestWriter } from "../../core/packed-request.ts";
import { US_PER_MS } from "../../core/units.ts";
import { policiesOf } from "./lone-shard-actor.ts";
import { SIMULATED_SHARDS, SimulatedActors, type SimulatedMember } from "./simulated-actors.ts";

const DEADLINE_US = 250 * US_PER_MS;
const TICKS_US = 20 * US_PER_MS;
const PER_KEY = "name: key, dimension: key, algorithm: fixed-window, limit: 100, window: 1d";
const PER_ORG = "name: org, dimension: org, algorithm: fixed-window, limit: 20, window: 1d";
const BIG_ORG = PER_ORG.replace("20", "1000");

const ORG = orgShard("acme", SIMULATED_SHARDS);
/** By home; of the tenant's own home, of one other, and of a third. */
const KEYS = Map.groupBy(
  Array.from({ length: 100 }, (_, i) => `k${i}`),
  (key) => homeShard("acme", key, SIMULATED_SHARDS),
);
const [ORG_KEY] = KEYS.get(ORG) as [string];
const [[KEY_SHARD, [KEY, OTHER_KEY]], [, [STRANGER]]] = [...KEYS].filter(([shard]) => shard !== ORG) as [
  [number, [string, string]],
  [number, [string]],
];

interface Scene {
  readonly all: SimulatedActors;
  readonly holder: SimulatedMember;
  readonly home: SimulatedMember;
}

/** The key's home decides; that of its tenant is in another process. */
function region(...policies: string[]): Scene {
  const all = new SimulatedActors({
    policies: policiesOf(...policies),
    members: 2,
    ownerOf: (shard) => (shard === ORG ? 1 : 0),
  });
  return { all, holder: all.member(0), home: all.member(1) };
}

/** Has the key's home borrow of its tenant. */
function lend(all: SimulatedActors, tokens: number): void {
  all.askJson("check", "acme", OTHER_KEY, { tokens }, 0);
  all.pass(TICKS_US);
}

function oneOf(key: string): Uint8Array {
  const writer = new PackedRequestWriter("check");
  writer.add("approximate", 1, key, "", "");
  return writer.take(0);
}

function ended({ holder }: Scene): Record<string, number> {
  const { waits = {} } = holder.observe().tallies ?? {};
  return Object.fromEntries(Object.entries(waits).filter(([, count]) => count > 0));
}

describe("a check that waits is counted", () => {
  it("by what its home says, and late among the checks decided", () => {
    const seen = region(PER_KEY, PER_ORG);
    const { all, holder } = seen;
    for (const tokens of [15, 10]) all.askJson("check", "acme", KEY, { tokens }, 0);
    expect(holder.observe().tallies?.checks).toEqual({ late: 0, waiting: 2 });
    all.pass(TICKS_US);
    expect(ended(seen)).toEqual({ allowed: 1, denied: 1 });
    // Refused by what is here: nobody has to be asked.
    all.askJson("check", "acme", KEY, { tokens: 86 }, 0);
    const { decisions, tallies } = holder.observe();
    expect(decisions.reduce((sum, { count }) => sum + count, 0)).toBe(3);
    expect(tallies?.checks).toEqual({ late: 2, waiting: 0 });
  });

  it("by its policies when its home keeps silent", () => {
    for (const [mode, end] of [
      ["allow", "silentAllowed"],
      ["deny", "silentDenied"],
    ] as const) {
      const seen = region(PER_KEY, `${PER_ORG}, onFailure: ${mode}`);
      seen.home.isSilent = true;
      seen.all.askJson("check", "acme", KEY, { tokens: 2 }, 0);
      seen.all.pass(DEADLINE_US + TICKS_US);
      expect(ended(seen)).toEqual({ [end]: 1 });
      const owed = mode === "allow" ? 2 : 0;
      expect(seen.holder.observe().tallies?.borrowed).toMatchObject({ owed });
    }
  });

  it("as spared the wait when its home has let another wait in vain", () => {
    for (const [mode, waited, spared] of [
      ["allow", "silentAllowed", "sparedAllowed"],
      ["deny", "silentDenied", "sparedDenied"],
    ] as const) {
      const seen = region(PER_KEY, `${PER_ORG}, onFailure: ${mode}`);
      seen.home.isSilent = true;
      seen.all.askJson("check", "acme", KEY, { tokens: 2 }, 0);
      seen.all.pass(DEADLINE_US + TICKS_US);
      for (let i = 0; i < 3; i += 1) seen.all.askJson("check", "acme", KEY, { tokens: 1 }, 0);
      expect(ended(seen)).toEqual({ [waited]: 1, [spared]: 3 });
      expect(seen.holder.observe().tallies?.checks).toMatchObject({ waiting: 0 });
    }
  });

  it("as moved, with one error, when its shard goes elsewhere", () => {
    const seen = region(PER_KEY, PER_ORG);
    seen.all.askJson("check", "acme", KEY, { tokens: 2 }, 0);
    seen.all.askFrame("acme", KEY_SHARD, oneOf(KEY));
    seen.all.move(KEY_SHARD, 1);
    expect(ended(seen)).toEqual({ moved: 2 });
    const { errors, decisions, tallies } = seen.holder.observe();
    expect([errors, decisions, tallies?.checks?.late]).toEqual([{ PARL_NOT_OWNER: 2 }, [], 0]);
  });

  it("as settled when the policies change", () => {
    const seen = region(PER_KEY, PER_ORG);
    seen.all.askJson("check", "acme", KEY, { tokens: 2 }, 0);
    seen.holder.step({ kind: "policies-changed", document: policiesOf(PER_KEY) });
    expect(ended(seen)).toEqual({ settled: 1 });
  });

  it("as crowded when too many wait for the same key, and is denied at once", () => {
    const seen = region(PER_KEY.replace("100", "100000"), PER_ORG.replace("20", "100000"));
    seen.home.isSilent = true;
    const asked = Array.from({ length: 1_025 }, () => seen.all.askJson("check", "acme", KEY, {}, 0));
    expect(seen.all.json(asked.at(-1) as string)).toMatchObject({ allowed: false, policy: "org" });
    expect(ended(seen)).toEqual({ crowded: 1 });
    expect(seen.holder.observe().tallies?.denials).toMatchObject({ firm: 0, unheard: 1 });
  });

  it("once under one id, though each of its askers waits", () => {
    const seen = region(PER_KEY, PER_ORG);
    for (let i = 0; i < 3; i += 1) seen.all.askJson("check", "acme", KEY, { tokens: 2, id: "once" }, 0);
    seen.all.pass(TICKS_US);
    expect(ended(seen)).toEqual({ allowed: 3 });
    const { decisions, tallies } = seen.holder.observe();
    expect([decisions[0]?.count, tallies?.checks]).toEqual([1, { late: 1, waiting: 0 }]);
  });
});

describe("a denial is counted", () => {
  it("as firm by what is charged at home, and as doubtful only for what is lent of it", () => {
    const { all, home } = region(PER_KEY.replace("100", "2000"), BIG_ORG);
    lend(all, 5);
    const { used, lent } = all.usedOf("org", "acme", "", "");
    expect(lent).toBeGreaterThan(0);
    const left = 1_000 - used;
    const ask = (tokens: number) => all.json(all.askJson("check", "acme", ORG_KEY, { tokens }, 1));
    expect(ask(left)).toMatchObject({ allowed: false });
    expect(home.observe().tallies?.denials).toEqual({ firm: 0, lent: 1, elsewhere: 0, unheard: 0 });
    // More than would be left if nothing were lent.
    expect(ask(left + 1)).toMatchObject({ allowed: false });
    expect(home.observe().tallies?.denials).toEqual({ firm: 1, lent: 1, elsewhere: 0, unheard: 0 });
  });

  it("as firm when a home elsewhere has nothing lent to others, else as doubtful", () => {
    for (const members of [2, 3]) {
      const owner = (shard: number): number => (shard === ORG ? 1 : shard === KEY_SHARD ? 0 : members - 1);
      const policies = policiesOf(PER_KEY, PER_ORG.replace("20", "400"));
      const all = new SimulatedActors({ policies, members, ownerOf: owner });
      if (members === 3) {
        all.askJson("check", "acme", STRANGER, { tokens: 1 }, 2);
        all.pass(TICKS_US);
        expect(all.usedOf("org", "acme", "", "").lent).toBeGreaterThan(0);
      }
      for (let i = 0; i < 4; i += 1) all.askJson("report", "acme", OTHER_KEY, { tokens: 99 }, 0);
      all.pass(100 * US_PER_MS);
      const asked = all.askJson("check", "acme", KEY, { tokens: 10 }, 0);
      all.pass(TICKS_US);
      expect(all.json(asked)).toMatchObject({ allowed: false, policy: "org" });
      const doubt = members === 2 ? { firm: 1, elsewhere: 0 } : { firm: 0, elsewhere: 1 };
      expect(all.member(0).observe().tallies?.denials).toMatchObject(doubt);
    }
  });

  it("as firm when one of its policies refuses for sure", () => {
    const { all, home } = region(PER_KEY.replace("100", "900"), BIG_ORG);
    lend(all, 5);
    all.askJson("report", "acme", ORG_KEY, { tokens: 700 }, 1);
    const { used, lent } = all.usedOf("org", "acme", "", "");
    expect(lent).toBeGreaterThan(0);
    // The tenant refuses because of what is lent, the key because of what was charged.
    all.askJson("check", "acme", ORG_KEY, { tokens: 1_000 - used }, 1);
    expect(home.observe().tallies?.denials).toMatchObject({ firm: 1, lent: 0 });
  });
});
