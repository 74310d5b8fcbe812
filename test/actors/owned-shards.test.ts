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

describe("a page from a clock that is an hour behind", () => {
  const HOUR_US = 3_600 * US_PER_S;

  /** What a member without the shard lets through of a key that was exhausted by a page an hour ago. */
  function remainingAt(isJustWritten: boolean): unknown {
    const all = new SimulatedActors({ policies: policiesOf(PER_MINUTE), members: 2, ownerOf: () => 0 });
    all.askJson("check", "acme", KEY, { tokens: 100 }, 0);
    const keys = all.member(0).actor.admission.table.keys(KEY_SHARD);
    const journey = travellingKeys(keys as ShardKeys, () => micros(all.time.nowUs));
    journey.start();
    const pages: Uint8Array[] = [];
    for (let page = journey.nextPage(PAGE_BYTES); page !== undefined; page = journey.nextPage(PAGE_BYTES))
      pages.push(page);
    journey.stop();
    all.pass(HOUR_US);
    const taker = all.member(1);
    for (const page of pages) taker.step({ kind: "shard-page", shard: KEY_SHARD, page, isJustWritten });
    taker.step({ kind: "shard-opened", shard: KEY_SHARD, epoch: 1_000, isJournalled: false });
    return all.json(all.askJson("check", "acme", KEY, { tokens: 0 }, 1));
  }

  it("is as new as it is in a handoff, and as old as it says in a journal", () => {
    expect(remainingAt(true)).toMatchObject({ remaining: 0 });
    expect(remainingAt(false)).toMatchObject({ remaining: 100 });
  });
});

it("charges for a crash now when the journal is of a clock that is ahead, and goes on at its own time", () => {
  const all = new SimulatedActors({ policies: policiesOf(PER_MINUTE), members: 2, ownerOf: () => 0 });
  const taker = all.member(1);
  const atUs = micros(all.time.nowUs + 3_600 * US_PER_S);
  taker.step({ kind: "shard-takeover", shard: KEY_SHARD, atUs, times: 1 });
  taker.step({ kind: "shard-opened", shard: KEY_SHARD, epoch: 1_000, isJournalled: true });
  const left = (): number =>
    (all.json(all.askJson("check", "acme", KEY, { tokens: 0 }, 1)) as { remaining: number }).remaining;
  expect(left()).toBeLessThan(100);
  all.pass(3_600 * US_PER_S);
  expect(left()).toBe(100);
});
