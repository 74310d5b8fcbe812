/**
 * Judges who decided: what the processes said they own, asked again and again during a run, and the epoch and number
 * that every verdict carries.
 *
 *      census    no epoch of a shard ever has two owners, and no shard's epoch falls
 *      verdicts  a call that began after another was answered is not answered under an earlier epoch
 *                within one epoch of a shard its answer has a higher number: two processes, or one that has
 *                started anew, do not number on from each other
 */
import type { Call } from "./ledger.ts";
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

/** A verdict and what it says of its owner. */
type Decided = Call & Required<Pick<Call, "epoch" | "sequence">>;

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
        else if (owner !== member)
          violations.push(broken(shard, `epoch ${epoch} belongs to ${owner} and to ${member}`));
        now.set(shard, Math.max(epoch, now.get(shard) ?? 0));
      }
    }
    for (const [shard, epoch] of now) {
      const before = highest.get(shard) ?? 0;
      highest.set(shard, Math.max(epoch, before));
      if (epoch < before) violations.push(broken(shard, `its epoch fell from ${before} to ${epoch}`));
    }
  }
  return violations;
}

export function checkVerdicts(calls: readonly Call[]): Violation[] {
  const decided = calls.filter(isDecided);
  return [...Map.groupBy(decided, ({ shard }) => shard)].flatMap(([shard, own]) => inOrder(shard, own));
}

/** Names the owner of every verdict, as far as a census has seen it. */
export function withOwners(calls: readonly Call[], samples: readonly CensusSample[]): Call[] {
  const owners = new Map<string, string>();
  for (const { member, owned } of samples.flatMap(({ members }) => members)) {
    for (const { shard, epoch } of owned) owners.set(`${shard} ${epoch}`, member);
  }
  return calls.map((call) => {
    const owner = owners.get(`${call.shard} ${call.epoch}`);
    return owner === undefined ? call : { ...call, owner };
  });
}

function inOrder(shard: number, calls: readonly Decided[]): Violation[] {
  const answered = calls.toSorted((a, b) => a.returnedUs - b.returnedUs);
  const violations: Violation[] = [];
  /** Of what had been answered: the highest epoch, and by epoch the highest number. */
  let latest = 0;
  const numbers = new Map<number, number>();
  let next = 0;
  for (const { invokedUs, epoch, sequence } of calls.toSorted((a, b) => a.invokedUs - b.invokedUs)) {
    for (let one = answered[next]; one !== undefined && one.returnedUs < invokedUs; one = answered[next]) {
      latest = Math.max(latest, one.epoch);
      numbers.set(one.epoch, Math.max(one.sequence, numbers.get(one.epoch) ?? -1));
      next += 1;
    }
    const before = numbers.get(epoch) ?? -1;
    if (epoch < latest) {
      violations.push(broken(shard, `a verdict of epoch ${epoch} came after one of epoch ${latest}`));
    } else if (sequence <= before) {
      violations.push(broken(shard, `decision ${sequence} of epoch ${epoch} came after decision ${before}`));
    }
  }
  return violations;
}

function isDecided(call: Call): call is Decided {
  return call.epoch !== undefined && call.sequence !== undefined;
}

function broken(shard: number, message: string): Violation {
  return { check: "single-owner", subject: `shard ${shard}`, message };
}
