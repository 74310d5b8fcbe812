/** What placement is told, and what it wants done in return. */
import type { ParlError } from "../../core/errors.ts";

/** A key of the bucket as the watch shows it. Values of one key ascend in revision; old ones may be skipped. */
export interface BucketEntry {
  readonly kind: "entry";
  readonly key: string;
  readonly revision: number;
  /** undefined = deleted */
  readonly value: string | undefined;
}

/**
 * The answer to a compare-and-set. `unknown` = it may have been stored or not, and may still be stored later.
 */
export interface CasAnswer {
  readonly kind: "cas-answer";
  readonly key: string;
  readonly id: number;
  readonly outcome: "ok" | "conflict" | "unknown";
  /** Of what was stored; 0 unless ok. */
  readonly revision: number;
}

/**
 * The handoff asked for is over. `adopted` = the state is here and `owner.<p>` was set to us at `revision`;
 * `aborted` = nothing will come any more, whatever the bucket says.
 */
interface HandoffEnded {
  readonly kind: "handoff-ended";
  readonly shard: number;
  readonly outcome: "adopted" | "aborted";
  readonly revision: number;
}

/**
 * We froze a shard and are setting its owner to another member; told before the answer is heard. Nothing is
 * decided from here on. A bucket lost before `shard-given` ends the shard here: it may be the other's.
 */
interface GiveStarted {
  readonly kind: "give-started";
  readonly shard: number;
}

/** The shard's owner was set to another member at `revision`; its state is on the way. */
interface ShardGiven {
  readonly kind: "shard-given";
  readonly shard: number;
  readonly member: string;
  readonly incarnation: number;
  readonly revision: number;
}

/** The transfer is over without our doing: the shard goes on here if the bucket says so, and ends here if not. */
interface GiveAborted {
  readonly kind: "give-aborted";
  readonly shard: number;
}

/** The clean snapshot asked for by `snapshot` stands, or was given up. */
interface Snapshotted {
  readonly kind: "snapshotted";
  readonly shard: number;
}

export type PlacementEvent =
  | BucketEntry
  /** The watch has shown everything there was when it began. */
  | { readonly kind: "synced" }
  /** The bucket is gone; entries from here on are of another, and a `synced` follows. */
  | { readonly kind: "bucket-lost" }
  | CasAnswer
  /** Every 50 ms or so. `busy` = part of the time spent deciding. */
  | { readonly kind: "tick"; readonly busy?: number }
  | HandoffEnded
  | GiveStarted
  | ShardGiven
  | GiveAborted
  | Snapshotted
  /** What `giveBack` asked for is done: no home thinks that we have anything of it. */
  | { readonly kind: "given-back" }
  /** Shut down politely: hand everything over, then `left`. */
  | { readonly kind: "leave" };

/**
 * How a shard starts here. `fresh` = nobody has owned it in this bucket; whether anybody did in a bucket lost
 * before, the journal says. `recover` = from the journal. `keep` = it is open already, under a new epoch.
 */
export type OpenHow = "fresh" | "recover" | "keep";

export interface Holder {
  readonly member: string;
  readonly incarnation: number;
}

/** Wishes, carried out in order after the step. None may call back into placement. */
export interface PlacementOutbox {
  /**
   * Store `value` if the key's last revision is `expectedRevision` (0: there is none), and answer with
   * `cas-answer` and the same id, always.
   */
  cas(key: string, value: string, expectedRevision: number, id: number): void;
  /** Own the shard from now on. `previous` is whom it was taken from, where that is known. */
  open(shard: number, epoch: number, how: OpenHow, previous?: Holder): void;
  /** The shard is somebody else's: stop, drop its state. Also said when a handoff came too late to be ours. */
  close(shard: number): void;
  /** Stop deciding, write the shard's clean snapshot, then tell `snapshotted`. */
  snapshot(shard: number): void;
  /** No shard is decided for here any more: return what was borrowed for them, then tell `given-back`. */
  giveBack(): void;
  /** The lease is over: answer nothing, journal nothing, borrow nothing, but keep the state. */
  fence(): void;
  /** The lease is valid again. */
  unfence(): void;
  /** We were declared dead: drop every shard, transfer and loan. What follows is another incarnation. */
  lost(): void;
  /** Take the shard over from its live owner at its `epoch`; answered with `handoff-ended`, always. */
  askHandoff(shard: number, from: Holder, epoch: number): void;
  /** Placement has given up for good; the operator has to change something. */
  refused(error: ParlError): void;
  /** Everything is handed over or let go; the process may end. */
  left(): void;
}
