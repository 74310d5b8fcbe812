import { describe, expect, it } from "vitest";
import { homeShard } from "../../core/key.ts";
import { PackedRequestWriter } from "../../core/packed-request.ts";
import { US_PER_MS, US_PER_S } from "../../core/units.ts";
import { itemsOf, policiesOf } from "./lone-shard-actor.ts";
import { SIMULATED_SHARDS, type SimulatedActors } from "./simulated-actors.ts";
import {
  atKeys,
  BIG_ORG_OF_ACME,
  KEY,
  KEY_NAMES,
  KEY_SHARD,
  leftOf,
  lend,
  LOCAL_KEY,
  ORG,
  OTHER_KEY,
  PER_KEY,
  PER_ORG,
  region,
  scene,
  TICKS_US,
  writeJournal,
} from "./lending-scene.ts";

const DEADLINE_US = 250 * US_PER_MS;

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

  it.each([
    ["allow", true],
    ["deny", false],
  ])(
    "is decided so at once (onFailure: %s) after its home has let another wait in vain",
    (mode, isAllowed) => {
      const { all, home } = region(PER_KEY, `${PER_ORG}, onFailure: ${mode}`);
      home.isSilent = true;
      all.askJson("check", "acme", KEY, { tokens: 2 }, 0);
      all.pass(DEADLINE_US + TICKS_US);
      const asked = all.askJson("check", "acme", KEY, { tokens: 3 }, 0);
      expect(all.json(asked)).toMatchObject({ allowed: isAllowed });
      const packed = all.askFrame("acme", KEY_SHARD, frame([KEY, 1], [KEY, 101], [OTHER_KEY, 1]));
      const outcome = isAllowed ? "allowed" : "denied";
      expect(itemsOf(all.answerTo(packed)).map((item) => item["outcome"])).toEqual([
        outcome,
        "unsatisfiable",
        outcome,
      ]);
      expect(all.member(0).lending.pending.keys).toBe(0);
      home.isSilent = false;
      all.pass(US_PER_S);
      // It is asked again as soon as it has answered.
      const then = all.askJson("check", "acme", KEY, { tokens: 1 }, 0);
      expect(all.answers.has(then)).toBe(false);
      all.pass(TICKS_US);
      expect(all.json(then)).toMatchObject({ allowed: true });
      all.pass(5 * US_PER_S);
      expect(used(all).org).toBe(isAllowed ? 2 + 3 + 1 + 1 + 1 : 1);
    },
  );

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

  it("is not decided from what was borrowed before its process was unsure of its lease", () => {
    const { all, holder } = region(PER_KEY, BIG_ORG_OF_ACME);
    lend(all, 5);
    expect(leftOf(holder)).toBeGreaterThan(0);
    holder.step({ kind: "lease-lapsed" });
    const asked = all.askJson("check", "acme", KEY, { tokens: 1 }, 0);
    expect(all.answers.has(asked)).toBe(false);
    all.pass(TICKS_US);
    expect(all.json(asked)).toMatchObject({ allowed: true });
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
