/**
 * Judges what the processes said they own, asked again and again during a run: no epoch of a shard ever has
 * two owners, and no shard's epoch falls.
 */
import type { Violation } from "./violation.ts";

export interface CensusSample {
  /** Monotonic, when the question was put. */
  readonly atUs: number;
  readonly unowned: number;
  readonly members: readonly {
    readonly member: string;
    readonly owned: readonly { readonly shard: number; readonly epoch: number }[];
  }[];
}

export function checkOwners(samples: readonly CensusSample[]): Violation[] {
  const violations: Violation[] = [];
  /** By shard and epoch. */
  const owners = new Map<string, string>();
  const highest = new Map<number, number>();
  for (const { members } of samples) {
    const now = new Map<number, number>();
    for (const { member, owned } of members) {
      for (const { shard, epoch } of owned) {
        const name = `${shard} ${epoch}`;
        const owner = owners.get(name);
        if (owner === undefined) owners.set(name, member);
        else if (owner !== member) {
          const message = `epoch ${epoch} belongs to ${owner} and to ${member}`;
          violations.push({ check: "single-owner", subject: `shard ${shard}`, message });
        }
        now.set(shard, Math.max(epoch, now.get(shard) ?? 0));
      }
    }
    for (const [shard, epoch] of now) {
      const before = highest.get(shard) ?? 0;
      highest.set(shard, Math.max(epoch, before));
      if (epoch >= before) continue;
      const message = `its epoch fell from ${before} to ${epoch}`;
      violations.push({ check: "single-owner", subject: `shard ${shard}`, message });
    }
  }
  return violations;
}
