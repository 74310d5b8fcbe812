/**
 * Two processes: one decides keys, the other is the home of their tenant and lends to it. What the tests of both
 * sides have in common.
 */
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { DIMENSIONS, Verdict } from "../../core/decision.ts";
import { homeShard, orgShard } from "../../core/key.ts";
import { micros, US_PER_MS } from "../../core/units.ts";
import { NOW_US, policiesOf } from "./lone-shard-actor.ts";
import { SIMULATED_SHARDS, SimulatedActors, type SimulatedMember } from "./simulated-actors.ts";

export const KEY_NAMES = Array.from({ length: 100 }, (_, i) => `k${i}`);
export const ORG = orgShard("acme", SIMULATED_SHARDS);
/** Keys whose home is another shard than their tenant's. */
const [first, second, SPARE_KEY] = keysElsewhere();
export const KEY = first;
export const OTHER_KEY = second;
export const KEY_SHARD = homeShard("acme", KEY, SIMULATED_SHARDS);
/** Of another tenant, at home where `KEY` is decided. */
export const LOCAL_KEY = KEY_NAMES.find(
  (key) => homeShard("globex", key, SIMULATED_SHARDS) !== ORG,
) as string;
export const ORG_PLACE = DIMENSIONS.indexOf("org");
export const TICKS_US = 20 * US_PER_MS;

function keysElsewhere(): readonly [string, string, string] {
  const shards = Map.groupBy(KEY_NAMES, (key) => homeShard("acme", key, SIMULATED_SHARDS));
  shards.delete(ORG);
  const [pair] = [...shards.values()].filter(({ length }) => length > 2);
  return pair as [string, string, string];
}

export const PER_KEY = "name: key, dimension: key, algorithm: fixed-window, limit: 100, window: 1d";
export const BIG_ORG_OF_ACME =
  "name: org, dimension: org, algorithm: fixed-window, limit: 1000, window: 1d, match: { tenant: acme }";
export const PER_ORG = "name: org, dimension: org, algorithm: fixed-window, limit: 20, window: 1d";

interface Scene {
  readonly all: SimulatedActors;
  readonly holder: SimulatedMember;
  readonly home: SimulatedMember;
}

/** The key's home decides; that of its tenant is in another process. */
export function region(...policies: string[]): Scene {
  return scene(policies, () => false);
}

const ownerOf = (shard: number): number => (shard === ORG ? 1 : 0);

/** The same with journals that nobody writes unless the test does. */
export function scene(policies: readonly string[], isJournalled: (shard: number) => boolean): Scene {
  const all = new SimulatedActors({ policies: policiesOf(...policies), members: 2, ownerOf, isJournalled });
  return { all, holder: all.member(0), home: all.member(1) };
}

export const atKeys = (shard: number): boolean => shard === KEY_SHARD;

/** Has the key's home borrow of its tenant. */
export function lend(all: SimulatedActors, tokens: number): void {
  all.askJson("check", "acme", SPARE_KEY, { tokens }, 0);
  all.pass(TICKS_US);
}

/** Units of the tenant that its key's home has at hand. */
export function leftOf({ actor, lending }: SimulatedMember): number {
  const { admission } = actor;
  admission.describe("acme", "", "");
  return lending.balances.find(1, admission.highOf(ORG_PLACE), admission.lowOf(ORG_PLACE))?.left ?? 0;
}

/** Writes what is due of a shard, as its journal would. @returns units of its keys that the journal then knows of */
export function writeJournal(member: SimulatedMember, shard: number): { used: number; reserved: number } {
  const { table, policies } = member.actor.admission;
  const journal = table.journal(shard);
  const after = table.newKeys(shard);
  const reader = new StatePageReader();
  const verdict = new Verdict();
  const known = { used: 0, reserved: 0 };
  for (const page of journal?.takeDue(100_000) ?? []) {
    reader.open(page);
    after.adoptPage(reader, micros(0));
    const limiter = after.limiter(policies.policies.findIndex(({ name }) => name === reader.policy));
    limiter.forEachKey((high, low) => {
      limiter.evaluate(high, low, 0, micros(NOW_US), verdict);
      known.used += limiter.algorithm.capacity - verdict.remaining;
    });
    for (reader.rewind(); reader.next();) known.reserved += reader.reserved;
  }
  journal?.acked();
  member.step({ kind: "journal-advanced" });
  return known;
}
