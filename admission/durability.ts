/**
 * What a crash of the process that owns a key costs, per policy: pure numbers.
 *
 *      H ≤ 10 s   nothing is written. A successor starts every key exhausted; H later nobody can tell.
 *      H > 10 s   spend that is not journalled stays ≤ u per key; a successor charges every key u more
 *                 than the journal says.                                       u = max(1, ⌈capacity / 20⌉)
 *
 * Of a key that may be lent to other processes, half of u is for what is lent: what they spend of it is
 * reported later, and the journal knows it only then. More is lent only for what a single check lacks, and once
 * it is reserved in the journal: a successor charges that key so many units more (reservations.ts).
 *
 * Either way nothing is admitted twice; the price is at most u (or one H) of needless denials per key and
 * crash. A policy may choose the other side: `onCrash: fresh` starts every key empty and may admit one
 * capacity more per crash.
 *
 * u is a share of the capacity, not of the limit: with a burst far below the limit of a long window, a
 * twentieth of the limit would be more than a key can ever hold.
 */
import type { AlgorithmName, AlgorithmParams } from "../algorithms/algorithm.ts";
import type { Dimension } from "../core/decision.ts";
import { micros, US_PER_S, type Micros } from "../core/units.ts";
import { formatDuration } from "./duration.ts";

/** What the first decisions after a crash may rest on. */
export const ON_CRASH = ["bounded", "fresh"] as const;
export type OnCrash = (typeof ON_CRASH)[number];

export interface DurablePolicy extends AlgorithmParams {
  /** Keys of any but the finest dimension may be lent to other processes. */
  readonly dimension?: Dimension;
  /** `bounded` when absent. */
  readonly onCrash?: OnCrash;
}

/** Up to here waiting is cheaper than writing: a successor needs 3 s to notice the crash anyway. */
const UNJOURNALLED_HORIZON_MAX_US = 10 * US_PER_S;
/** The unjournalled share of a capacity, as one in so many; so many crashes exhaust a key. */
export const CRASHES_TO_EXHAUST = 20;

const BUCKETS: ReadonlySet<AlgorithmName> = new Set(["token-bucket", "leaky-bucket", "leaky-queue", "gcra"]);

export interface CrashBudget {
  readonly isJournalled: boolean;
  /** Most units of a key whose answers went out and whose spend the journal does not know; else Infinity. */
  readonly unjournalledMax: number;
  /** Most units of a key lent to other processes that the journal is not told of; else Infinity. */
  readonly lentMax: number;
  /** u, the sum of both. Charged to every key, seen or not, by a successor that trusts the journal. */
  readonly unitsAtTakeover: number;
}

/** Units that a key can hold at most at one moment. */
export function capacityOf({ algorithm, limit, burst }: AlgorithmParams): number {
  return limit > 0 && BUCKETS.has(algorithm) ? (burst ?? limit) : limit;
}

/** How long a full key needs to be like new again (give or take a window): W, or capacity · W / limit. */
export function horizonUs(policy: AlgorithmParams): Micros {
  const { algorithm, limit, windowUs } = policy;
  if (limit === 0) return micros(0);
  if (!BUCKETS.has(algorithm)) return windowUs;
  return micros(Math.ceil((capacityOf(policy) * windowUs) / limit));
}

export function crashBudget(policy: DurablePolicy): CrashBudget {
  const capacity = capacityOf(policy);
  const isFresh = policy.onCrash === "fresh";
  if (isFresh || horizonUs(policy) <= UNJOURNALLED_HORIZON_MAX_US) {
    const unitsAtTakeover = isFresh ? 0 : capacity;
    return { isJournalled: false, unjournalledMax: Infinity, lentMax: Infinity, unitsAtTakeover };
  }
  const share = Math.ceil(capacity / CRASHES_TO_EXHAUST);
  const isLent = policy.dimension !== undefined && policy.dimension !== "user";
  const u = Math.max(isLent ? 2 : 1, share);
  const lentMax = isLent ? Math.floor(u / 2) : 0;
  return { isJournalled: true, unjournalledMax: u - lentMax, lentMax, unitsAtTakeover: u };
}

/**
 * What a successor charges every key of the policy.
 *
 * @param times crashes at that moment; CRASHES_TO_EXHAUST or more when the journal cannot be trusted
 */
export function takeoverUnits(policy: DurablePolicy, times: number): number {
  return Math.min(capacityOf(policy), crashBudget(policy).unitsAtTakeover * times);
}

/** One sentence for people who ask what a policy promises. */
export function describeCrash(policy: DurablePolicy): string {
  const capacity = capacityOf(policy);
  if (capacity === 0) return "a crash changes nothing: everything is denied";
  if (policy.onCrash === "fresh")
    return `onCrash: fresh: each crash may admit up to ${capacity} more per key`;
  const { isJournalled, unitsAtTakeover, lentMax } = crashBudget(policy);
  if (!isJournalled)
    return `after a crash every key starts exhausted, for up to ${formatDuration(horizonUs(policy))}`;
  const u = Math.min(capacity, unitsAtTakeover);
  const percent = Math.round((1_000 * u) / capacity) / 10;
  const units = u === 1 ? "unit" : "units";
  // That counts as spent, whether or not it was.
  const loan = lentMax > 0 && lentMax < capacity ? ` and what checks were lent beyond ${lentMax}` : "";
  return `a crash costs each key at most ${u} ${units} (${percent} % of ${capacity})${loan}, and admits nothing twice`;
}
