/** What a shard brings along besides its keys, and what it leaves behind. */
import { describe, expect, it } from "vitest";
import { travellingKeys } from "../../actors/travelling-keys.ts";
import type { ShardKeys } from "../../admission/shard-keys.ts";
import { micros, US_PER_MS, US_PER_S } from "../../core/units.ts";
import {
  atKeys,
  BIG_ORG_OF_ACME,
  KEY,
  KEY_SHARD,
  leftOf,
  lend,
  ORG,
  PER_KEY,
  region,
  scene,
  TICKS_US,
  writeJournal,
} from "./lending-scene.ts";
import { policiesOf } from "./lone-shard-actor.ts";
import { SimulatedActors } from "./simulated-actors.ts";

const PAGE_BYTES = 2 ** 16;
const PER_MINUTE = "name: key, dimension: key, algorithm: gcra, limit: 100, window: 60s";

it("answers a retry under an id as the owner before did, and charges it no more", () => {
  const all = new SimulatedActors({ policies: policiesOf(PER_KEY), members: 2, ownerOf: () => 0 });
  const ask = (tokens: number, id: string): string =>
    all.askJson("check", "acme", KEY, { tokens, id }, all.members.indexOf(all.ownerOf(KEY_SHARD)));
  const [first, other, never] = [
    all.json(ask(2, "once")),
    all.json(ask(3, "another")),
    all.json(ask(101, "never")),
  ];
  all.pass(US_PER_S);
  all.move(KEY_SHARD, 1);
  expect(all.json(ask(2, "once"))).toEqual(first);
  expect(all.json(ask(3, "another"))).toEqual(other);
  expect(all.json(ask(101, "never"))).toEqual(never);
  expect(never).toMatchObject({ outcome: "unsatisfiable" });
  expect(all.json(ask(2, "another"))).toMatchObject({ error: { code: "PARL_ID_REUSED" } });
  expect(all.usedOf("key", "acme", "", KEY).used).toBe(5);
  expect(all.json(ask(2, "new"))).toMatchObject({ allowed: true });
  expect(all.usedOf("key", "acme", "", KEY).used).toBe(7);
});

it("gives back at once what was borrowed of a shard that has come here", () => {
  const { all, holder } = region(PER_KEY, BIG_ORG_OF_ACME);
  lend(all, 5);
  expect(leftOf(holder)).toBeGreaterThan(0);
  all.move(ORG, 0);
  all.pass(TICKS_US);
  expect(leftOf(holder)).toBe(0);
  all.pass(TICKS_US);
  expect(all.usedOf("org", "acme", "", "")).toEqual({ used: 5, lent: 0 });
});

it("never sends what was held for the journal of a shard that has gone", () => {
  const { all, holder } = scene([PER_KEY], atKeys);
  const asked = all.askJson("check", "acme", KEY, { tokens: 50 }, 0);
  expect(holder.actor.heldFor(KEY_SHARD)).toBe(1);
  writeJournal(holder, KEY_SHARD);
  expect(all.json(asked)).toMatchObject({ allowed: true });
  const late = all.askJson("check", "acme", KEY, { tokens: 50 }, 0);
  expect(holder.actor.heldFor(KEY_SHARD)).toBe(1);
  holder.step({ kind: "shard-closed", shard: KEY_SHARD });
  all.pass(500 * US_PER_MS);
  expect(all.answers.has(late)).toBe(false);
});

const HOUR_US = 3_600 * US_PER_S;

/** Pages of a shard with an exhausted key. */
function exhaustedPages(all: SimulatedActors): Uint8Array[] {
  all.askJson("check", "acme", KEY, { tokens: 100 }, 0);
  const keys = all.member(0).actor.admission.table.keys(KEY_SHARD) as ShardKeys;
  const journey = travellingKeys(keys, () => micros(all.time.nowUs));
  const pages: Uint8Array[] = [];
  // Twice: as of a walk over all, and as one that was charged meanwhile.
  for (let round = 0; round < 2; round += 1) {
    journey.start();
    for (let page = journey.nextPage(PAGE_BYTES); page !== undefined; page = journey.nextPage(PAGE_BYTES))
      pages.push(page);
    journey.stop();
  }
  return pages;
}

function ofTwo(): SimulatedActors {
  return new SimulatedActors({ policies: policiesOf(PER_MINUTE), members: 2, ownerOf: () => 0 });
}

/** What a member without the shard lets through of a key that was exhausted by a page an hour ago. */
function remainingAt(isJustWritten: boolean): unknown {
  const all = ofTwo();
  const pages = exhaustedPages(all);
  all.pass(HOUR_US);
  const taker = all.member(1);
  for (const page of pages) taker.step({ kind: "shard-page", shard: KEY_SHARD, page, isJustWritten });
  taker.step({ kind: "shard-opened", shard: KEY_SHARD, epoch: 1_000, isJournalled: false });
  return all.json(all.askJson("check", "acme", KEY, { tokens: 0 }, 1));
}

describe("a page from a clock that is an hour behind", () => {
  it("is as new as it is in a handoff, and as old as it says in a journal", () => {
    expect(remainingAt(true)).toMatchObject({ remaining: 0 });
    expect(remainingAt(false)).toMatchObject({ remaining: 100 });
  });
});

it("charges for a crash now when the journal is of a clock that is ahead, and goes on at its own time", () => {
  const all = ofTwo();
  const taker = all.member(1);
  const atUs = micros(all.time.nowUs + HOUR_US);
  taker.step({ kind: "shard-takeover", shard: KEY_SHARD, atUs, times: 1 });
  taker.step({ kind: "shard-opened", shard: KEY_SHARD, epoch: 1_000, isJournalled: true });
  const left = (): number =>
    (all.json(all.askJson("check", "acme", KEY, { tokens: 0 }, 1)) as { remaining: number }).remaining;
  expect(left()).toBeLessThan(100);
  all.pass(HOUR_US);
  expect(left()).toBe(100);
});

/** Its pages, read by a process whose clock says so much less; told to whoever takes it. */
function staged(all: SimulatedActors, aheadUs: number, isJustWritten = true) {
  const taker = all.member(1).actor;
  const nowUs = micros(all.time.nowUs - aheadUs);
  const pages = exhaustedPages(all);
  for (const page of pages)
    taker.step({ kind: "shard-page", shard: KEY_SHARD, page, isJustWritten }, nowUs, all.member(1));
  return { taker, nowUs, pages: pages.length, said: all.member(1).said };
}

function opened(aheadUs: number, isJustWritten = true) {
  const all = ofTwo();
  const { taker, nowUs, pages, said } = staged(all, aheadUs, isJustWritten);
  expect([pages > 1, said]).toEqual([true, []]);
  const shard = { shard: KEY_SHARD, epoch: 1_000, isJournalled: false };
  taker.step({ kind: "shard-opened", ...shard }, nowUs, all.member(1));
  return { clocks: taker.owned.foreignClocks, said };
}

describe("a shard that comes from a clock which is wrong", () => {
  it("is counted and said once, by whose clock is ahead and by how much", () => {
    expect(opened(HOUR_US)).toEqual({
      clocks: { ahead: 1, behind: 0 },
      said: [
        `shard ${KEY_SHARD} comes from a process whose clock is 3600 s ahead of ours: its keys are moved by that`,
      ],
    });
    expect(opened(-HOUR_US)).toMatchObject({
      clocks: { ahead: 0, behind: 1 },
      said: [expect.stringContaining("3600 s behind ours")],
    });
    expect(opened(HOUR_US, false)).toMatchObject({ clocks: { ahead: 1, behind: 0 } });
  });

  it("is nothing to speak of when the clocks agree to two seconds, the journal is old, or it never becomes ours", () => {
    const nothing = { clocks: { ahead: 0, behind: 0 }, said: [] };
    expect(opened(2 * US_PER_S)).toEqual(nothing);
    expect(opened(-HOUR_US, false)).toEqual(nothing);
    const all = ofTwo();
    const { taker, nowUs, said } = staged(all, HOUR_US);
    taker.step({ kind: "shard-closed", shard: KEY_SHARD }, nowUs, all.member(1));
    taker.step(
      { kind: "shard-opened", shard: KEY_SHARD, epoch: 1_000, isJournalled: false },
      nowUs,
      all.member(1),
    );
    expect({ clocks: taker.owned.foreignClocks, said }).toEqual(nothing);
  });
});
