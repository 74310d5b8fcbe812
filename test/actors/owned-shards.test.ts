/** What a shard brings along besides its keys. */
import { expect, it } from "vitest";
import { US_PER_S } from "../../core/units.ts";
import { KEY, KEY_SHARD, PER_KEY } from "./lending-scene.ts";
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
