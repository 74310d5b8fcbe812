/**
 * The region as a whole, summed up from what each of its processes says about itself.
 *
 *      parl.observe.region ─▶ any process ─▶ parl.members.observe ─▶ all of them ─▶ one answer
 *
 * Counters and gauges add up for people to read. A process that does not answer in time is missing from
 * `members`, and the shards nobody claimed are counted: a census says what it has not seen. A sum is therefore
 * no counter, since it falls whenever a process goes; whoever takes rates takes those of `members`.
 */
import { countsOf, figuresOf, type BorrowingCounts, type BorrowingFigures } from "./borrowing-figures.ts";
import { addTallies } from "./member-tallies.ts";
import type { MemberObservation } from "./observation.ts";
import type { TallyLine } from "./decision-tally.ts";
import type { ErrorCode } from "../core/errors.ts";

export interface RegionObservation extends Omit<
  MemberObservation,
  "member" | "owned" | "policyProblem" | "clockUs"
> {
  /** In the order of their names. */
  readonly members: readonly MemberObservation[];
  /** Shards that nobody who answered decides. */
  readonly unowned: number;
  /** Since the start of each process. */
  readonly figures: BorrowingCounts & BorrowingFigures;
}

/** @param seen at least one answer, all of one region */
export function takeCensus(seen: readonly MemberObservation[]): RegionObservation {
  const [first] = seen as readonly [MemberObservation, ...MemberObservation[]];
  const total = (value: (one: MemberObservation) => number): number =>
    seen.reduce((sum, one) => sum + value(one), 0);
  const owned = new Set(seen.flatMap((one) => one.owned.map(({ shard }) => shard)));
  const decisions = decisionsOf(seen);
  const tallies = addTallies(seen.map((one) => one.tallies ?? {}));
  const counts = countsOf({ decisions, tallies });
  return {
    region: first.region,
    shards: first.shards,
    unowned: first.shards - owned.size,
    keys: total((one) => one.keys),
    bytes: total((one) => one.bytes),
    evictedLive: total((one) => one.evictedLive),
    overflowed: total((one) => one.overflowed),
    // They may be the same ones everywhere; a process of an older version does not say.
    fullTenants: Math.max(...seen.map((one) => one.fullTenants ?? 0)),
    mailboxDepth: total((one) => one.mailboxDepth),
    overloaded: total((one) => one.overloaded),
    crashes: total((one) => one.crashes),
    fenced: total((one) => one.fenced),
    uptimeMs: Math.max(...seen.map((one) => one.uptimeMs)),
    policies: [
      ...addedUp(seen.flatMap(({ policies }) => policies.map(({ name, keys }) => [name, keys]))),
    ].map(([name, keys]) => ({ name, keys })),
    decisions,
    errors: Object.fromEntries(
      addedUp(seen.flatMap(({ errors }) => Object.entries(errors) as [ErrorCode, number][])),
    ),
    stepLatencyCounts: first.stepLatencyCounts.map((_, bucket) =>
      total((one) => one.stepLatencyCounts[bucket] ?? 0),
    ),
    stepLatencySumUs: total((one) => one.stepLatencySumUs),
    tallies,
    figures: { ...counts, ...figuresOf(counts) },
    members: seen.toSorted((a, b) => (a.member < b.member ? -1 : 1)),
  };
}

function decisionsOf(seen: readonly MemberObservation[]): TallyLine[] {
  const lines = new Map<string, TallyLine>();
  for (const line of seen.flatMap(({ decisions }) => decisions)) {
    const name = JSON.stringify([line.policy, line.algorithm, line.outcome]);
    lines.set(name, { ...line, count: line.count + (lines.get(name)?.count ?? 0) });
  }
  return [...lines.values()];
}

function addedUp<Name>(pairs: readonly (readonly [Name, number])[]): Map<Name, number> {
  const sums = new Map<Name, number>();
  for (const [name, count] of pairs) sums.set(name, count + (sums.get(name) ?? 0));
  return sums;
}
