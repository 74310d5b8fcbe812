import { describe, expect, it } from "vitest";
import { StatePageReader } from "../../algorithms/state-page.ts";
import { DIMENSIONS, Verdict } from "../../core/decision.ts";
import { homeShard, orgShard } from "../../core/key.ts";
import { PackedRequestWriter } from "../../core/packed-request.ts";
import { micros, US_PER_MS, US_PER_S } from "../../core/units.ts";
import { itemsOf, NOW_US, policiesOf } from "./lone-shard-actor.ts";
import { SIMULATED_SHARDS, SimulatedActors, type SimulatedMember } from "./simulated-actors.ts";

const KEY_NAMES = Array.from({ length: 100 }, (_, i) => `k${i}`);
const ORG = orgShard("acme", SIMULATED_SHARDS);
/** Keys whose home is another shard than their tenant's. */
const [KEY, OTHER_KEY, SPARE_KEY] = keysElsewhere();
const KEY_SHARD = homeShard("acme", KEY, SIMULATED_SHARDS);
/** Of another tenant, at home where `KEY` is decided. */
const LOCAL_KEY = KEY_NAMES.find((key) => homeShard("globex", key, SIMULATED_SHARDS) !== ORG) as string;
const ORG_PLACE = DIMENSIONS.indexOf("org");
const DEADLINE_US = 250 * US_PER_MS;
const TICKS_US = 20 * US_PER_MS;

function keysElsewhere(): readonly [string, string, string] {
  const shards = Map.groupBy(KEY_NAMES, (key) => homeShard("acme", key, SIMULATED_SHARDS));
  shards.delete(ORG);
  const [pair] = [...shards.values()].filter(({ length }) => length > 2);
  return pair as [string, string, string];
}

const PER_KEY = "name: key, dimension: key, algorithm: fixed-window, limit: 100, window: 1d";
const BIG_ORG_OF_ACME =
  "name: org, dimension: org, algorithm: fixed-window, limit: 1000, window: 1d, match: { tenant: acme }";
const PER_ORG = "name: org, dimension: org, algorithm: fixed-window, limit: 20, window: 1d";

interface Scene {
  readonly all: SimulatedActors;
  readonly holder: SimulatedMember;
  readonly home: SimulatedMember;
}

/** The key's home decides; that of its tenant is in another process. */
function region(...policies: string[]): Scene {
  return scene(policies, () => false);
}

const ownerOf = (shard: number): number => (shard === ORG ? 1 : 0);

/** The same with journals that nobody writes unless the test does. */
function scene(policies: readonly string[], isJournalled: (shard: number) => boolean): Scene {
  const all = new SimulatedActors({ policies: policiesOf(...policies), members: 2, ownerOf, isJournalled });
  return { all, holder: all.member(0), home: all.member(1) };
}

const atKeys = (shard: number): boolean => shard === KEY_SHARD;

/** A key of the same tenant whose home is another shard. */
function stranger(): string {
  return KEY_NAMES.find((key) => homeShard("acme", key, SIMULATED_SHARDS) !== KEY_SHARD) as string;
}

function frame(...items: readonly (readonly [key: string, cost: number, id?: string])[]): Uint8Array {
  const writer = new PackedRequestWriter("check");
  for (const [key, cost, id = ""] of items) writer.add("approximate", cost, key, "", id);
  return writer.take(0);
}

/** Units charged of the key and of its tenant. */
function used(all: SimulatedActors, key = KEY): { key: number; org: number } {
  return { key: all.usedOf("key", "acme", "", key).used, org: all.usedOf("org", "acme", "", "").used };
}

describe("a check whose tenant is at home elsewhere", () => {
  it("is answered once its home has spoken, and charged at both", () => {
    const { all } = region(PER_KEY, PER_ORG);
    const asked = all.askJson("check", "acme", KEY, { tokens: 3 }, 0);
    expect(all.answers.has(asked)).toBe(false);
    all.pass(TICKS_US);
    expect(all.json(asked)).toMatchObject({ allowed: true, policy: "org", remaining: 17 });
    all.pass(3 * US_PER_S);
    expect(used(all)).toEqual({ key: 3, org: 3 });
  });

  it("is charged nowhere when its home refuses", () => {
    const { all } = region(PER_KEY, PER_ORG);
    const asked = [15, 10].map((tokens) => all.askJson("check", "acme", KEY, { tokens }, 0));
    all.pass(TICKS_US);
    expect(asked.map((to) => all.json(to)["allowed"])).toEqual([true, false]);
    all.pass(3 * US_PER_S);
    expect(used(all)).toEqual({ key: 15, org: 15 });
  });

  it("holds its units of the key while it waits, and gives them back", () => {
    const { all, home } = region(PER_KEY, PER_ORG.replace("20", "200"));
    home.isSilent = true;
    const waiting = all.askJson("check", "acme", KEY, { tokens: 95 }, 0);
    const second = all.askJson("check", "acme", KEY, { tokens: 6 }, 0);
    expect(all.answers.has(waiting)).toBe(false);
    expect(all.json(second)).toMatchObject({ allowed: false, policy: "key" });
    all.pass(DEADLINE_US + TICKS_US);
    all.json(waiting);
    expect(all.member(0).lending.pending.keys).toBe(0);
  });

  it.each([
    ["allow", true],
    ["local", true],
    ["deny", false],
  ])("is decided by onFailure: %s when its home keeps silent", (mode, isAllowed) => {
    const { all, home } = region(PER_KEY, `${PER_ORG}, onFailure: ${mode}`);
    home.isSilent = true;
    const asked = all.askJson("check", "acme", KEY, { tokens: 2 }, 0);
    all.pass(DEADLINE_US - TICKS_US);
    expect(all.answers.has(asked)).toBe(false);
    all.pass(3 * TICKS_US);
    expect(all.json(asked)).toMatchObject({ allowed: isAllowed });
    home.isSilent = false;
    all.pass(5 * US_PER_S);
    // The home hears of what was let through without it.
    expect(used(all)).toEqual(isAllowed ? { key: 2, org: 2 } : { key: 0, org: 0 });
  });

  it("is denied by what is known here, however its home keeps silent", () => {
    const { all, home } = region(PER_KEY, `${PER_ORG}, onFailure: allow`);
    home.isSilent = true;
    all.askJson("report", "acme", KEY, { tokens: 100 }, 0);
    const asked = all.askJson("check", "acme", KEY, { tokens: 1 }, 0);
    expect(all.json(asked)).toMatchObject({ allowed: false, policy: "key" });
  });

  it("is charged once under one id, however often it is asked meanwhile", () => {
    const { all } = region(PER_KEY, PER_ORG);
    const asked = [1, 2, 3].map(() => all.askJson("check", "acme", KEY, { tokens: 2, id: "once" }, 0));
    all.pass(TICKS_US);
    const answers = asked.map((to) => all.json(to));
    expect(answers[0]).toMatchObject({ allowed: true });
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    all.pass(3 * US_PER_S);
    expect(used(all)).toEqual({ key: 2, org: 2 });
  });

  it("is told to ask again when its shard goes elsewhere meanwhile, and charged nowhere", () => {
    const { all } = region(PER_KEY, PER_ORG);
    const json = all.askJson("check", "acme", KEY, { tokens: 2 }, 0);
    const packed = all.askFrame("acme", KEY_SHARD, frame([KEY, 1], [OTHER_KEY, 1]));
    all.move(KEY_SHARD, 1);
    expect(all.json(json)).toMatchObject({ error: { code: "PARL_NOT_OWNER", field: "shard" } });
    expect(itemsOf(all.answerTo(packed))).toEqual([
      { kind: "error", errorCode: "PARL_NOT_OWNER", text: null, waitUs: 100 * US_PER_MS },
      { kind: "error", errorCode: "PARL_NOT_OWNER", text: null, waitUs: 100 * US_PER_MS },
    ]);
    all.pass(3 * US_PER_S);
    expect(used(all)).toEqual({ key: 0, org: 0 });
  });

  it("is told to ask again when its shard is taken away without a goodbye", () => {
    const { all, holder } = region(PER_KEY, `${PER_ORG}, onFailure: allow`);
    const asked = all.askJson("check", "acme", KEY, { tokens: 2 }, 0);
    holder.step({ kind: "shard-closed", shard: KEY_SHARD });
    expect(all.json(asked)).toMatchObject({ error: { code: "PARL_NOT_OWNER" } });
    expect(holder.lending.pending.keys).toBe(0);
  });

  it("is decided from what is there when the policies change meanwhile", () => {
    const { all, holder } = region(PER_KEY, PER_ORG);
    const asked = all.askJson("check", "acme", KEY, { tokens: 2 }, 0);
    const packed = all.askFrame("acme", KEY_SHARD, frame([KEY, 1]));
    for (const member of all.members)
      member.step({ kind: "policies-changed", document: policiesOf(PER_KEY) });
    expect(all.json(asked)).toMatchObject({ allowed: false, policy: "org" });
    expect(itemsOf(all.answerTo(packed))).toMatchObject([{ outcome: "denied", text: "org" }]);
    expect(holder.lending.pending.keys).toBe(0);
    const then = all.askJson("check", "acme", KEY, { tokens: 2 }, 0);
    expect(all.json(then)).toMatchObject({ allowed: true, policy: "key", remaining: 98 });
  });

  it("is decided at once when its home becomes this process", () => {
    const { all } = region(PER_KEY, PER_ORG);
    const asked = all.askJson("check", "acme", KEY, { tokens: 2 }, 0);
    all.move(ORG, 0);
    all.pass(TICKS_US);
    expect(all.json(asked)).toMatchObject({ allowed: true, policy: "org" });
    all.pass(3 * US_PER_S);
    expect(used(all)).toEqual({ key: 2, org: 2 });
  });
});

describe("a packed frame of which some items wait", () => {
  it("is answered once, with every item in its place", () => {
    const { all } = region(PER_KEY, PER_ORG);
    const asked = all.askFrame(
      "acme",
      KEY_SHARD,
      frame([KEY, 101], [KEY, 4], [stranger(), 1], [OTHER_KEY, 0], [OTHER_KEY, 5], [KEY, 17]),
    );
    expect(all.answers.has(asked)).toBe(false);
    all.pass(DEADLINE_US + TICKS_US);
    const items = itemsOf(all.answerTo(asked));
    const kinds = items.map((item) => item["outcome"] ?? item["kind"]);
    expect(kinds).toEqual(["unsatisfiable", "allowed", "moved", "allowed", "allowed", "denied"]);
    expect(items[1]).toMatchObject({ text: "org", dimension: "org", limit: 20 });
    all.pass(3 * US_PER_S);
    expect(used(all)).toEqual({ key: 4, org: 9 });
    expect(used(all, OTHER_KEY).key).toBe(5);
  });

  it("waits for the journal of all of its items, and nobody else does for them", () => {
    const { all, holder } = scene([PER_KEY, BIG_ORG_OF_ACME], atKeys);
    lend(all, 20);
    // What is left covers the first item and not the second, and only the first is of a heavy key.
    const left = leftOf(holder);
    expect(left).toBeGreaterThan(5);
    const asked = all.askFrame("acme", KEY_SHARD, frame([KEY, left - 1], [OTHER_KEY, 3]));
    const other = all.askJson("check", "globex", LOCAL_KEY, { tokens: 1 }, 0);
    expect(all.json(other)).toMatchObject({ allowed: true });
    all.pass(TICKS_US);
    expect(all.answers.has(asked)).toBe(false);
    writeJournal(holder, KEY_SHARD);
    expect(itemsOf(all.answerTo(asked))).toMatchObject([{ outcome: "allowed" }, { outcome: "allowed" }]);
  });

  it("waits for the journal of items that are decided one after the other", () => {
    const { all, holder } = scene([PER_KEY, BIG_ORG_OF_ACME], atKeys);
    // More than is lent at once: the second item, of a light key, has to wait for another grant.
    const asked = all.askFrame("acme", KEY_SHARD, frame([KEY, 24], [OTHER_KEY, 3]));
    all.pass(2 * TICKS_US);
    expect(used(all)).toMatchObject({ key: 24 });
    expect(used(all, OTHER_KEY)).toMatchObject({ key: 3 });
    expect(all.answers.has(asked)).toBe(false);
    writeJournal(holder, KEY_SHARD);
    expect(itemsOf(all.answerTo(asked))).toMatchObject([{ outcome: "allowed" }, { outcome: "allowed" }]);
  });

  it("is held at the shard it was for, whatever shard its last item belongs to", () => {
    const { all, holder } = scene([PER_KEY], atKeys);
    const asked = all.askFrame("acme", KEY_SHARD, frame([KEY, 7], [stranger(), 1]));
    expect(all.answers.has(asked)).toBe(false);
    expect(holder.actor.heldFor(KEY_SHARD)).toBe(1);
  });
});

describe("a home that lends", () => {
  it("keeps what it has lent of a journalled key within what a crash costs anyway", () => {
    const { all, home } = scene([PER_KEY, BIG_ORG_OF_ACME], (shard) => shard === ORG);
    // u is 50, half of it for what is lent.
    for (let i = 0; i < 60; i += 1) {
      all.askJson("check", "acme", `k${i}`, { tokens: 1 });
      all.pass(5 * US_PER_MS);
      expect(all.usedOf("org", "acme", "", "").lent).toBeLessThanOrEqual(25);
      if (i % 10 === 0) writeJournal(home, ORG);
    }
    expect(home.lending.book.tally.granted).toBeGreaterThan(25);
  });

  it("charges what a dead member was lent although its shard is on its way out and comes back", () => {
    const { all, holder, home } = region(PER_KEY, BIG_ORG_OF_ACME);
    lend(all, 5);
    const { used: before, lent } = all.usedOf("org", "acme", "", "");
    expect(lent).toBeGreaterThan(0);
    holder.isSilent = true;
    home.actor.owned.freeze(ORG);
    home.step({ kind: "member-dead", member: holder.name, incarnation: 1 });
    home.actor.owned.thaw(ORG);
    expect(all.usedOf("org", "acme", "", "")).toEqual({ used: before + lent, lent: 0 });
  });
});

/** Has the key's home borrow of its tenant. */
function lend(all: SimulatedActors, tokens: number): void {
  all.askJson("check", "acme", SPARE_KEY, { tokens }, 0);
  all.pass(TICKS_US);
}

/** Units of the tenant that its key's home has at hand. */
function leftOf({ actor, lending }: SimulatedMember): number {
  const { admission } = actor;
  admission.describe("acme", "", "");
  return lending.balances.find(1, admission.highOf(ORG_PLACE), admission.lowOf(ORG_PLACE))?.left ?? 0;
}

/** Writes what is due of a shard, as its journal would. @returns units that the journal knows to be used */
function writeJournal(member: SimulatedMember, shard: number): number {
  const { table, policies } = member.actor.admission;
  const journal = table.journal(shard);
  const after = table.newKeys(shard);
  const reader = new StatePageReader();
  const verdict = new Verdict();
  let units = 0;
  for (const page of journal?.takeDue(100_000) ?? []) {
    reader.open(page);
    after.adoptPage(reader, micros(0));
    const limiter = after.limiter(policies.policies.findIndex(({ name }) => name === reader.policy));
    limiter.forEachKey((high, low) => {
      limiter.evaluate(high, low, 0, micros(NOW_US), verdict);
      units += limiter.algorithm.capacity - verdict.remaining;
    });
  }
  journal?.acked();
  member.step({ kind: "journal-advanced" });
  return units;
}
