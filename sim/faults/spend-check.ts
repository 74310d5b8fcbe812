/**
 * Judges a ledger by the limits: nobody was admitted more than the limit and the published crash budget, what
 * was admitted stays charged, and no more was refused than a crash may cost.
 *
 *      admitted ≤ limit (+ limit per crash with onCrash: fresh)              bound
 *      admitted ≤ charged ≤ admitted + unknown + u · crashes                 conservation, by a peek at the end
 *      admitted + unknown + u · crashes ≥ min(limit, demand)                 under-admission
 *
 * `unknown` is a call whose answer was lost: it may have been charged, nobody was admitted by it.
 */
import { windowIdAt } from "../../algorithms/window-id.ts";
import { micros } from "../../core/units.ts";
import { addCall, emptySpend, type Call, type Spend } from "./ledger.ts";
import { deniedPerCrash, subjectOf, type Limit } from "./limits.ts";
import type { Violation } from "./violation.ts";

/** What was left to a subject after the run. */
export interface Peek {
  readonly limit: string;
  readonly subject: string;
  readonly remaining: number;
  readonly decidedUs: number;
}

export interface SpendCase {
  readonly calls: readonly Call[];
  readonly limits: readonly Limit[];
  readonly peeks: readonly Peek[];
  /** Times that an owner's memory was lost. */
  readonly crashes: number;
}

export interface SpendVerdict {
  readonly violations: readonly Violation[];
  /** Units admitted beyond the limit, the most of any subject; with onCrash: fresh these may be legal. */
  readonly overMax: number;
  /** Units of min(limit, demand) that were never admitted, the most of any subject of a journalled limit. */
  readonly underMax: number;
  /** Units charged to a subject that no call known to be admitted explains, the most of any. */
  readonly chargedBeyondMax: number;
  /** Least demand per limit of a binding limit's subject. */
  readonly offeredMin: number;
}

export function checkSpend(run: SpendCase): SpendVerdict {
  const violations: Violation[] = [];
  let [overMax, underMax, chargedBeyondMax, offeredMin] = [0, 0, 0, Infinity];
  for (const limit of run.limits) {
    const over = checkBound(limit, run, violations);
    if (over > overMax) overMax = over;
    for (const [subject, spend] of spendOf(limit, run.calls)) {
      if (!limit.isBinding || !isLong(limit)) continue;
      const short = checkUnder(limit, subject, spend, run.crashes, violations);
      if (short > underMax) underMax = short;
      if (spend.demand >= limit.limit) offeredMin = Math.min(offeredMin, spend.demand / limit.limit);
    }
    const beyond = checkConserved(limit, run, violations);
    if (beyond > chargedBeyondMax) chargedBeyondMax = beyond;
  }
  return { violations, overMax, underMax, chargedBeyondMax, offeredMin };
}

export function spendOf(limit: Limit, calls: readonly Call[]): Map<string, Spend> {
  const spends = new Map<string, Spend>();
  for (const call of calls) {
    const subject = subjectOf(limit, call);
    if (subject === undefined) continue;
    let spend = spends.get(subject);
    if (spend === undefined) spends.set(subject, (spend = emptySpend()));
    addCall(spend, call);
  }
  return spends;
}

/** @returns the most units beyond the plain limit */
function checkBound(limit: Limit, { calls, crashes }: SpendCase, violations: Violation[]): number {
  let overMax = 0;
  for (const [subject, { admitted, firstUs, lastUs }] of spendOf(limit, perWindow(limit, calls))) {
    const most = mostIn(limit, lastUs - firstUs);
    const budget = limit.onCrash === "fresh" ? limit.limit * crashes : 0;
    overMax = Math.max(overMax, admitted - most);
    if (!(admitted > most + budget)) continue;
    const message = `${admitted} units were admitted under ${limit.name}, which allows ${most}${budget > 0 ? ` and ${budget} after ${crashes} crashes` : ""}`;
    violations.push({ check: "bound", subject, message });
  }
  return overMax;
}

/** Admissions of a fixed window shorter than the run count per window: the tenant carries its number. */
function perWindow(limit: Limit, calls: readonly Call[]): readonly Call[] {
  if (limit.algorithm !== "fixed-window") return calls;
  return calls.flatMap((call) => {
    if (call.outcome !== "admitted" || subjectOf(limit, call) === undefined) return [];
    const id = windowIdAt(micros(call.decidedUs ?? 0), limit.windowUs);
    const suffix = `@${id}`;
    if (limit.dimension === "user") return [{ ...call, user: `${call.user}${suffix}` }];
    return limit.dimension === "key" ? [{ ...call, key: `${call.key}${suffix}` }] : [call];
  });
}

/** Units that may be admitted between two admissions `spanUs` apart. */
function mostIn({ algorithm, limit, windowUs }: Limit, spanUs: number): number {
  const isWindow = algorithm.endsWith("window") || algorithm === "sliding-log";
  if (isWindow) return limit * (1 + Math.floor((spanUs || 0) / windowUs));
  return limit + Math.floor((limit * (spanUs || 0)) / windowUs);
}

/** @returns units of what was possible that were not admitted */
function checkUnder(
  limit: Limit,
  subject: string,
  { demand, admitted, unknown }: Spend,
  crashes: number,
  violations: Violation[],
): number {
  const possible = Math.min(limit.limit, demand);
  const cost = crashes === 0 ? 0 : crashes * deniedPerCrash(limit);
  if (admitted + unknown + cost < possible) {
    const message = `${admitted} of ${possible} units were admitted under ${limit.name}; ${unknown} unknown and ${cost} for ${crashes} crashes do not explain the rest`;
    violations.push({ check: "under-admission", subject, message });
  }
  return Math.max(0, possible - admitted - unknown);
}

/** @returns the most units charged that no admission explains */
function checkConserved(limit: Limit, run: SpendCase, violations: Violation[]): number {
  if (!isLong(limit)) return 0;
  const spends = spendOf(limit, run.calls);
  let beyondMax = 0;
  for (const { subject, remaining, decidedUs } of run.peeks.filter((peek) => peek.limit === limit.name)) {
    const spend = spends.get(subject) ?? emptySpend();
    const charged = limit.limit - remaining;
    const spanUs = decidedUs - (spend.firstUs || decidedUs);
    // What comes back by itself, and the fraction of a unit that is shown as none.
    const regained = mostIn(limit, spanUs) - limit.limit + 1;
    const forgotten = limit.onCrash === "fresh" ? limit.limit * run.crashes : 0;
    if (charged + regained + forgotten < Math.min(limit.limit, spend.admitted)) {
      const message = `${spend.admitted} units were admitted under ${limit.name} and only ${charged} are charged`;
      violations.push({ check: "conservation", subject, message });
    }
    const cost = run.crashes === 0 ? 0 : run.crashes * deniedPerCrash(limit);
    beyondMax = Math.max(beyondMax, charged - spend.admitted - spend.unknown);
    if (charged > spend.admitted + spend.unknown + cost) {
      const message = `${charged} units are charged under ${limit.name}: ${spend.admitted} admitted, ${spend.unknown} unknown and ${cost} for ${run.crashes} crashes do not explain them`;
      violations.push({ check: "conservation", subject, message });
    }
  }
  return beyondMax;
}

/** Longer than any run: nothing to speak of comes back meanwhile. */
function isLong({ windowUs }: Limit): boolean {
  return windowUs >= 3_600_000_000;
}
