/**
 * Who was limited, when, by which policy and how often: the counts of a replay.
 *
 * Refused means denied or unsatisfiable. Times are those of the log, whatever clock decided.
 */
import type { Outcome } from "../core/decision.ts";

export interface TalliedDecision {
  readonly atUs: number;
  readonly tenant: string;
  readonly key: string;
  readonly outcome: Outcome;
  /** The policy that decided; null when none matched. */
  readonly policy: string | null;
}

export interface LimitedKey {
  readonly tenant: string;
  readonly key: string;
  readonly checks: number;
  readonly refused: number;
  readonly firstUs: number;
  readonly lastUs: number;
  /** Refusals by policy name. */
  readonly policies: Readonly<Record<string, number>>;
}

export interface LimitingPolicy {
  readonly policy: string;
  readonly refused: number;
  readonly keys: number;
  readonly firstUs: number;
  readonly lastUs: number;
}

interface Spell {
  refused: number;
  firstUs: number;
  lastUs: number;
}

interface KeyTally extends Spell {
  readonly tenant: string;
  readonly key: string;
  checks: number;
  readonly policies: Map<string, number>;
}

interface PolicyTally extends Spell {
  keys: number;
}

export class ReplayTally {
  readonly outcomes: Record<Outcome, number> = { allowed: 0, denied: 0, unsatisfiable: 0 };
  readonly #tenants = new Map<string, Map<string, KeyTally>>();
  readonly #policies = new Map<string, PolicyTally>();

  add(decision: TalliedDecision): void {
    this.outcomes[decision.outcome] += 1;
    const key = this.#keyTally(decision);
    key.checks += 1;
    if (decision.outcome === "allowed") return;
    extend(key, decision.atUs);
    const name = decision.policy ?? "-";
    const policy = this.#policies.get(name) ?? { ...newSpell(), keys: 0 };
    this.#policies.set(name, policy);
    extend(policy, decision.atUs);
    const refusedBefore = key.policies.get(name) ?? 0;
    key.policies.set(name, refusedBefore + 1);
    if (refusedBefore === 0) policy.keys += 1;
  }

  /** Keys refused at least once, most often first. */
  limitedKeys(): LimitedKey[] {
    return [...this.#tenants.values()]
      .flatMap((keys) => [...keys.values()])
      .filter((tally) => tally.refused > 0)
      .toSorted((left, right) => right.refused - left.refused)
      .map((tally) => ({ ...tally, policies: Object.fromEntries(tally.policies) }));
  }

  /** Policies that refused, most often first. */
  limitingPolicies(): LimitingPolicy[] {
    return [...this.#policies]
      .map(([policy, tally]) => ({ policy, ...tally }))
      .toSorted((left, right) => right.refused - left.refused);
  }

  #keyTally({ tenant, key }: TalliedDecision): KeyTally {
    let keys = this.#tenants.get(tenant);
    if (keys === undefined) this.#tenants.set(tenant, (keys = new Map()));
    let tally = keys.get(key);
    if (tally === undefined) {
      keys.set(key, (tally = { tenant, key, checks: 0, ...newSpell(), policies: new Map() }));
    }
    return tally;
  }
}

function newSpell(): Spell {
  return { refused: 0, firstUs: Infinity, lastUs: -Infinity };
}

function extend(spell: Spell, atUs: number): void {
  spell.refused += 1;
  spell.firstUs = Math.min(spell.firstUs, atUs);
  spell.lastUs = Math.max(spell.lastUs, atUs);
}
