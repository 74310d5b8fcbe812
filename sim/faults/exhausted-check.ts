/**
 * Whoever was told to come back later is not let in before, whatever happened to the owner meanwhile: a denial
 * names the time until which no call of the same cost may pass, and a call that began after that answer was
 * read must keep to it.
 *
 * Only for limits that one shard decides by itself: rights that one process has borrowed may still pass when
 * another has none left.
 */
import type { Call } from "./ledger.ts";
import { subjectOf, type Limit } from "./limits.ts";
import type { Violation } from "./violation.ts";

/** Wall clocks of processes on one machine agree to less. */
const TOLERANCE_US = 2_000;

interface Denied {
  readonly cost: number;
  readonly returnedUs: number;
  readonly untilUs: number;
}

/** @param limits those to look at: each the only one of its tenants */
export function checkExhausted(calls: readonly Call[], limits: readonly Limit[]): Violation[] {
  return limits.flatMap((limit) => {
    const bySubject = new Map<string, Call[]>();
    for (const call of calls) {
      const subject = subjectOf(limit, call);
      if (subject === undefined) continue;
      const known = bySubject.get(subject);
      if (known === undefined) bySubject.set(subject, [call]);
      else known.push(call);
    }
    return [...bySubject].flatMap(([subject, own]) => early(limit, subject, own));
  });
}

function early(limit: Limit, subject: string, calls: readonly Call[]): Violation[] {
  const denials = calls
    .filter(({ outcome, policy }) => outcome === "denied" && policy === limit.name)
    .map(({ cost, returnedUs, decidedUs = 0, retryAfterUs = 0 }) => ({
      cost,
      returnedUs,
      untilUs: decidedUs + retryAfterUs,
    }))
    .toSorted((a, b) => a.returnedUs - b.returnedUs);
  const admitted = calls
    .filter(({ outcome }) => outcome === "admitted")
    .toSorted((a, b) => a.invokedUs - b.invokedUs);
  /** Latest end of any denial read so far, per cost. */
  const until = new Map<number, Denied>();
  const violations: Violation[] = [];
  let next = 0;
  for (const { cost, invokedUs, decidedUs = Infinity } of admitted) {
    for (
      let denial = denials[next];
      denial !== undefined && denial.returnedUs < invokedUs;
      denial = denials[next]
    ) {
      const known = until.get(denial.cost);
      if (known === undefined || denial.untilUs > known.untilUs) until.set(denial.cost, denial);
      next += 1;
    }
    const broken = [...until.values()].find(
      (denial) => denial.cost <= cost && decidedUs + TOLERANCE_US < denial.untilUs,
    );
    if (broken === undefined) continue;
    const aheadMs = Math.round((broken.untilUs - decidedUs) / 1_000);
    const message = `admitted under ${limit.name} ${aheadMs} ms before the time that an earlier denial named`;
    violations.push({ check: "exhausted", subject, message });
  }
  return violations;
}
