/**
 * What one process has counted, gathered from those who counted it. Each number is explained where it is
 * counted, and for operators in docs/operations.md; most are since the start, some are of now.
 *
 * Processes of different versions tell different numbers, so whoever reads what another process says must
 * expect any of them to be missing (`ToldTallies`).
 */
import type { Balances } from "../admission/balances.ts";
import type { DenialDoubtName } from "../admission/denial-doubt.ts";
import type { LentTally } from "../admission/lent-tally.ts";
import type { HandoffTally } from "./handoff/handoff-tally.ts";
import type { ShardJournals } from "./journal/shard-journals.ts";
import type { OwnedShards } from "./owned-shards.ts";
import type { WaitingRequests } from "./waiting-requests.ts";

/** Counted by whoever decides checks. */
export interface ActorTallies {
  /** Checks decided after some of their rights were missing; checks waiting for rights now. */
  readonly checks: { readonly late: number; readonly waiting: number };
  /** Checks told that their home is another shard; messages for a shard that is another process's. */
  readonly strays: { readonly misplaced: number; readonly unowned: number };
  /** Shards whose keys came from a clock that disagrees with ours. */
  readonly foreignClocks: Readonly<OwnedShards["foreignClocks"]>;
  readonly denials: Readonly<Record<DenialDoubtName, number>>;
  readonly waits: Readonly<WaitingRequests["tally"]>;
  readonly lent: Readonly<LentTally>;
  readonly borrowed: Readonly<Balances["tally"]>;
  /** Answers waiting for the journal now; those that ever had to; those given up. */
  readonly held: { readonly now: number; readonly total: number; readonly expired: number };
}

/** Counted around it, by the process. */
export interface ProcessTallies {
  readonly writes: Readonly<ShardJournals["writes"]>;
  readonly openings: Readonly<ShardJournals["openings"]>;
  readonly handoffs: Readonly<Omit<HandoffTally, "count">>;
  /** Answers not sent because the lease was over. */
  readonly fenced: { readonly answers: number };
  /** Checks refused because of their own lane; records of the lease store that could not be read. */
  readonly refused: { readonly overloadedLanes: number; readonly badRecords: number };
  readonly operators: {
    readonly done: number;
    readonly refused: number;
    readonly linesWritten: number;
    readonly linesLost: number;
  };
}

export interface MemberTallies extends ActorTallies, ProcessTallies {}

/** As another process tells them. */
export type ToldTallies = {
  readonly [Group in keyof MemberTallies]?: Partial<MemberTallies[Group]>;
};

/** Number by number, whatever numbers there are. */
export function addTallies(all: readonly ToldTallies[]): ToldTallies {
  const sums: Record<string, Record<string, number>> = {};
  for (const tallies of all) {
    for (const [group, numbers] of Object.entries(tallies)) {
      const sum = (sums[group] ??= {});
      for (const [name, count] of Object.entries(numbers)) sum[name] = (sum[name] ?? 0) + count;
    }
  }
  return sums;
}
