/**
 * What a transfer needs from its host, and what it asks of it.
 *
 * Giver and taker are step machines: events in, wishes out, no clock, no I/O. Answers to wishes come back as
 * events under the number of the transfer, so that an answer meant for an earlier attempt touches nothing.
 */
import type { ParlError } from "../../core/errors.ts";
import type { Micros } from "../../core/units.ts";
import type { Member } from "./member.ts";
import type { HandoffMessage } from "./messages.ts";
import type { ShardMessage } from "./parked-messages.ts";

/** The keys of a shard on their way out, while they are being charged. */
export interface TravellingShard {
  /** From here on every key charged counts as dirty until a dirty page has taken it along. */
  start(): void;
  /** The next keys of the walk over the whole table; undefined after the last. */
  nextPage(bytesMax: number): Uint8Array | undefined;
  readonly dirtyCount: number;
  /** Some dirty keys, clean from now on: a page that gets lost ends the transfer. undefined when none. */
  nextDirtyPage(bytesMax: number): Uint8Array | undefined;
  stop(): void;
}

/** The keys of a shard on their way in; nobody sees them before `adopt` is wished for. */
export interface StagedShard {
  /** @throws ParlError when the page is wrong, or there is no memory for it */
  adopt(page: Uint8Array): void;
  discard(): void;
}

/** A shard on its way out. */
export interface LeavingShard {
  readonly table: TravellingShard;
  /** Under which this process owns it. */
  readonly epoch: number;
  /** What is to travel beside the keys, as of now. */
  readonly closing: () => ClosingState;
}

/** What travels beside the keys, in FINAL. */
export interface ClosingState {
  readonly nowUs: Micros;
  readonly loans: Uint8Array;
  readonly answeredIds: Uint8Array;
}

/** A shard that has arrived whole. */
export interface ArrivedShard {
  readonly staged: StagedShard;
  readonly epoch: number;
  readonly nowUs: Micros;
  readonly loans: Uint8Array;
  readonly answeredIds: Uint8Array;
}

/** A record of `owner.<shard>` as the watch showed it; one of nobody's has no id. */
export interface OwnerRecord extends Member {
  readonly epoch: number;
  readonly how: "fresh" | "recovered" | "handed-over";
}

export type CasAnswer =
  | { readonly outcome: "ok"; readonly epoch: number }
  | { readonly outcome: "conflict" | "unknown" };

/**
 * How a transfer ended.
 *
 *      giver   moved        the taker owns the shard; `isConfirmed`: and has its state
 *              aborted      still the owner, serving, same epoch; what was parked is replayed after this
 *              superseded   somebody else owns the shard; it stays frozen until the host closes it
 *      taker   adopted      owner, with state
 *              aborted      as if never asked
 *              recover      owner by the record, but the state will not come: recover it from the journal.
 *                           The subscription stays.
 *      both    lost         this process was declared dead
 */
export interface HandoffEnded {
  readonly role: "giver" | "taker";
  readonly outcome: "moved" | "aborted" | "superseded" | "adopted" | "recover" | "lost";
  readonly shard: number;
  readonly peer: Member;
  readonly transfer: number;
  readonly isConfirmed: boolean;
  /** Of the shard's owner from now on, where it is known to have changed. */
  readonly epoch?: number;
  readonly error?: ParlError;
  readonly pages: number;
  readonly bytes: number;
  /** Rounds of dirty pages. */
  readonly rounds: number;
  /** Whether the freeze began although more was dirty than fits one page. */
  readonly isLongFreeze: boolean;
  /** From the wish to freeze until the shard was known to be the taker's, monotonic; 0 when it never was. */
  readonly frozenUs: number;
  /** From the same wish until the taker said that it has everything; 0 when it never did. */
  readonly undecidedUs: number;
  /** Messages that could neither be parked nor be kept for a refusal. */
  readonly dropped: number;
}

/** What the giver is told. */
export type GiverEvent =
  | { readonly kind: "message"; readonly message: HandoffMessage }
  | { readonly kind: "bad-message"; readonly error: ParlError }
  | { readonly kind: "frozen" }
  | { readonly kind: "cas-answer"; readonly answer: CasAnswer }
  | { readonly kind: "owner-seen"; readonly owner: OwnerRecord }
  | { readonly kind: "peer-gone" }
  | { readonly kind: "replaced" }
  | { readonly kind: "fenced" }
  | { readonly kind: "lost" }
  | { readonly kind: "tick" };

/** What the taker is told. */
export type TakerEvent =
  | { readonly kind: "message"; readonly message: HandoffMessage }
  | { readonly kind: "bad-message"; readonly error: ParlError }
  | { readonly kind: "subscribed" }
  | { readonly kind: "owner-seen"; readonly owner: OwnerRecord }
  | { readonly kind: "peer-gone" }
  | { readonly kind: "fenced" }
  | { readonly kind: "unfenced" }
  | { readonly kind: "lost" }
  | { readonly kind: "withdrawn" }
  | { readonly kind: "tick" };

/** Wishes, to be fulfilled in order, after the step or at once. Of the answers, `frozen` alone may come at once. */
export interface HandoffOutbox {
  /** To `parl.member.<id>.handoff`. */
  send(to: Member, message: Uint8Array): void;
  /**
   * Decide everything that arrived for the shard up to now, refusals and checks that wait for a loan
   * included, then nothing more; then report `frozen`. Never report it after a lapse of the lease in between:
   * report `fenced`. From `frozen` on nothing may change the shard's keys, whichever way it comes: not a
   * message by the public subjects, not a check of another shard that has a coarser dimension at home here.
   */
  freeze(shard: number, transfer: number): void;
  unfreeze(shard: number, transfer: number): void;
  /** Compare-and-set `owner.<shard>` from the record with `expectedEpoch`; report `cas-answer`. */
  casOwner(shard: number, transfer: number, to: Member, expectedEpoch: number): void;
  /** The shard has moved: unsubscribe, drop its keys, no unfreezing. */
  release(shard: number, transfer: number): void;
  /** Subscribe to `parl.shard.<p>.>`, flush the connection, report `subscribed`. */
  subscribe(shard: number, transfer: number): void;
  unsubscribe(shard: number, transfer: number): void;
  /** Make the staged keys the shard's, and decide from now on under the new epoch. */
  adopt(shard: number, arrived: ArrivedShard): void;
  /** Decide a message that was parked. */
  replay(shard: number, message: ShardMessage): void;
  /** Answer with an error a message that found the park full. */
  refuse(shard: number, message: ShardMessage, error: ParlError): void;
  /** A message of the other side's was out of place or wrong inside: to be counted. The transfer ends by itself. */
  refused(error: ParlError): void;
  ended(ended: HandoffEnded): void;
}

/** Time without progress after which a side gives up, as long as it may. */
export const SILENCE_MAX_US = 2_000_000;
