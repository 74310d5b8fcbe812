/**
 * The limits a fault run offers three times over, one table for both sides: the policy file the processes
 * read is written from it, and the checkers judge by it.
 *
 *      one tenant ── one limit on its finest dimension      the key's own home decides: exact
 *      team, small, planet-* ── limits above the key too    rights are borrowed between processes
 *      probe ── a key on every shard, never exhausted       says when a shard answers again
 *
 * Windows are a day, so that nothing comes back during a run; one is short, because such policies are not
 * journalled.
 */
import type { AlgorithmName } from "../../algorithms/algorithm.ts";
import { crashBudget, type OnCrash } from "../../admission/durability.ts";
import type { Dimension } from "../../core/decision.ts";
import { homeShard, SHARDS_DEFAULT } from "../../core/key.ts";
import { micros, US_PER_S, type Micros } from "../../core/units.ts";

export interface Limit {
  readonly name: string;
  readonly dimension: Dimension;
  /** Raw ids; all are plain. */
  readonly tenants: readonly string[];
  readonly algorithm: AlgorithmName;
  readonly limit: number;
  readonly windowUs: Micros;
  readonly onCrash?: OnCrash;
  /** Whether nothing but this limit refuses its tenants once it is exhausted. */
  readonly isBinding: boolean;
}

/** Somebody who asks: a key or a user of a tenant, and how often compared with the others. */
export interface Caller {
  readonly tenant: string;
  readonly dimension: "key" | "user";
  readonly id: string;
  readonly weight: number;
}

const DAY_US = micros(86_400 * US_PER_S);
const SHORT_US = micros(5 * US_PER_S);

function ofKeys(tenant: string, algorithm: AlgorithmName, more: Partial<Limit> = {}): Limit {
  const name = `${tenant}-${more.dimension ?? "key"}`;
  const same = { name, dimension: "key", tenants: [tenant], isBinding: true } as const;
  return { ...same, algorithm, limit: 60, windowUs: DAY_US, ...more };
}

export const PROBE = "probe";
const PLANETS = ["planet-a", "planet-b"] as const;

export const LIMITS: readonly Limit[] = [
  ofKeys("gcra", "gcra"),
  ofKeys("window", "fixed-window"),
  ofKeys("sliding", "sliding-window"),
  ofKeys("bucket", "token-bucket"),
  ofKeys("people", "sliding-log", { dimension: "user" }),
  ofKeys("short", "fixed-window", { limit: 20, windowUs: SHORT_US }),
  ofKeys("fresh", "fixed-window", { onCrash: "fresh" }),
  ofKeys("crowd", "gcra"),
  ofKeys("team", "fixed-window", { isBinding: false }),
  ofKeys("team", "fixed-window", { dimension: "org", limit: 240 }),
  ofKeys("small", "gcra", { dimension: "org", limit: 30 }),
  ofKeys("planet", "gcra", { tenants: PLANETS, isBinding: false }),
  ofKeys("planet", "token-bucket", { tenants: PLANETS, dimension: "global", limit: 300 }),
  ofKeys(PROBE, "gcra", { limit: 1_000_000 }),
];

function limited(
  tenant: string,
  count: number,
  weight: number,
  dimension: Caller["dimension"] = "key",
): Caller[] {
  return Array.from({ length: count }, (_, i) => ({ tenant, dimension, id: `${tenant}-${i}`, weight }));
}

/** Callers, weighted so that every binding limit is offered about as many times over as the others. */
export function callersOf(scale = 1): Caller[] {
  const some = (count: number): number => Math.max(1, Math.round(count * scale));
  return [
    ...["gcra", "window", "sliding", "bucket", "fresh"].flatMap((tenant) => limited(tenant, some(4), 60)),
    ...limited("people", some(4), 60, "user"),
    ...limited("short", 2, 60),
    ...limited("crowd", some(300), 1),
    ...limited("team", 6, 45),
    ...limited("small", 5, 8),
    ...PLANETS.flatMap((tenant) => limited(tenant, 4, 42)),
  ];
}

/** A key of the probes' tenant at home on each shard. */
export function probeKeys(shards: number = SHARDS_DEFAULT): string[] {
  const keys: string[] = [];
  let found = 0;
  for (let i = 0; found < shards; i += 1) {
    const shard = homeShard(PROBE, `p${i}`, shards);
    if (keys[shard] !== undefined) continue;
    keys[shard] = `p${i}`;
    found += 1;
  }
  return keys;
}

/** What a policy file says of them. */
export function policyFile(limits: readonly Limit[] = LIMITS): string {
  const rows = limits.map(({ name, dimension, tenants, algorithm, limit, windowUs, onCrash }) => {
    const match = `match: { tenant: [${tenants.join(", ")}] }`;
    const window = `${windowUs / US_PER_S}s`;
    const crash = onCrash === undefined ? "" : `, onCrash: ${onCrash}`;
    // Admitting blindly while a home is away would be the policy's own wish, not a fault.
    const rest = `limit: ${limit}, window: ${window}, onFailure: deny${crash}`;
    return `  - { name: ${name}, dimension: ${dimension}, ${match}, algorithm: ${algorithm}, ${rest} }`;
  });
  return `version: 1\npolicies:\n${rows.join("\n")}\n`;
}

/** Needless denials a crash of an owner may cost each key; Infinity where a successor starts exhausted. */
export function deniedPerCrash(limit: Limit): number {
  const { isJournalled, unitsAtTakeover } = crashBudget(limit);
  if (limit.onCrash === "fresh") return 0;
  if (!isJournalled) return Infinity;
  // What holders had borrowed is forfeited: at most half of what was left (1/2n for each of n holders).
  const isLent = limit.dimension === "org" || limit.dimension === "global";
  return unitsAtTakeover + (isLent ? Math.ceil(limit.limit / 2) : 0);
}

/** Whose units a call takes under a limit; undefined when the limit does not apply. */
export function subjectOf(
  { dimension, tenants }: Limit,
  call: { readonly tenant: string; readonly key?: string; readonly user?: string },
): string | undefined {
  if (!tenants.includes(call.tenant)) return undefined;
  if (dimension === "global") return "everybody";
  if (dimension === "org") return call.tenant;
  const id = dimension === "user" ? call.user : call.key;
  return id === undefined ? undefined : `${call.tenant}/${id}`;
}
