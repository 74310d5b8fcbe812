/** What a shard brings along besides its keys, and what it leaves behind. */
import { expect, it } from "vitest";
import { US_PER_MS, US_PER_S } from "../../core/units.ts";
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
