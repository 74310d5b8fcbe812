/** What arrives in a shard actor's mailbox. */
import type { PolicyDocument } from "../admission/policy.ts";
import type { Micros } from "../core/units.ts";
import type { ForgetRequest } from "./key-reset.ts";

/** How a message came: by a shard's own subscription, or by the public one, where anybody may get it. */
export interface Arrival {
  /** The shard it was sent to; −1 when it came by a public subject. */
  readonly via: number;
  readonly replyTo: string;
}

/** A JSON request about one key, as published by people and thin clients. */
export interface KeyRequest extends Arrival {
  readonly kind: "key-request";
  readonly verb: KeyVerb;
  /** Whether another process has passed it on already. */
  readonly isForwarded: boolean;
  /** Tokens as they stood in the subject, not yet validated. */
  readonly tenant: string;
  readonly key: string;
  readonly payload: Uint8Array;
}

export const KEY_VERBS = ["check", "report", "observe"] as const;
export type KeyVerb = (typeof KEY_VERBS)[number];

/** Packed checks or reports of one tenant for one shard. */
export interface PackedFrame extends Arrival {
  readonly kind: "packed-frame";
  readonly tenant: string;
  readonly shard: number;
  readonly payload: Uint8Array;
}

/** A question about the process rather than a key. */
export interface Inquiry extends Arrival {
  readonly kind: "inquiry";
  readonly what: "member" | "policy" | "shard" | "limited";
  /** Policy name or shard number; "" for the member. */
  readonly name: string;
}

/** A message whose subject fits nothing we know. */
interface Misdirected extends Arrival {
  readonly kind: "misdirected";
  readonly subject: string;
}

interface PoliciesChanged {
  readonly kind: "policies-changed";
  readonly document: PolicyDocument;
}

/** Keys of a shard that is about to become ours: a state page. */
export interface ShardPage {
  readonly kind: "shard-page";
  readonly shard: number;
  readonly page: Uint8Array;
  /** It comes from the owner before, not from the journal. */
  readonly isJustWritten?: boolean;
}

/** Owners before crashed: what they may have spent unseen is charged to every key of the shard. */
export interface ShardTakeover {
  readonly kind: "shard-takeover";
  readonly shard: number;
  readonly atUs: Micros;
  readonly times: number;
}

/** The shard is ours from now on, with what pages and takeovers have told of it. */
export interface ShardOpened {
  readonly kind: "shard-opened";
  readonly shard: number;
  readonly epoch: number;
  /** Whether a journal is kept of it. */
  readonly isJournalled: boolean;
  /** Whether its journal knows all of what pages and takeovers have told. */
  readonly isRecovered?: boolean;
  /** What its owner before had lent (LoanBook.exportShard). */
  readonly loans?: Uint8Array;
  /** Answers given under idempotency ids (AnsweredIds.save), when its owner before has told them. */
  readonly answeredIds?: Uint8Array;
}

/** The shard is somebody else's, or what was told of it is not to become ours. */
interface ShardClosed {
  readonly kind: "shard-closed";
  readonly shard: number;
}

/** The journal knows more than before. */
interface JournalAdvanced {
  readonly kind: "journal-advanced";
}

/** Time for housekeeping. */
interface Tick {
  readonly kind: "tick";
}

/** Rights asked for, granted or called back, between two processes (admission/loan-messages.ts). */
export interface LoanMessage extends Arrival {
  readonly kind: "borrow" | "grant" | "recall";
  readonly payload: Uint8Array;
}

/** A member of the region is no more: what it was lent is charged. */
interface MemberDead {
  readonly kind: "member-dead";
  readonly member: string;
  readonly incarnation: number;
}

/** So many members share the rights of the region's keys. */
interface MembersChanged {
  readonly kind: "members-changed";
  readonly count: number;
}

/** This process is leaving and decides nothing any more: what it has borrowed goes back. */
interface ShardsGone {
  readonly kind: "shards-gone";
}

/** The lease ran out and is valid again: what was borrowed before may be somebody else's now. */
interface LeaseLapsed {
  readonly kind: "lease-lapsed";
}

/** Something somebody sent, who may be waiting for an answer. */
export type Message = LoanMessage | KeyRequest | PackedFrame | Inquiry | ForgetRequest | Misdirected;

export type ShardEvent =
  | Message
  | PoliciesChanged
  | ShardPage
  | ShardTakeover
  | ShardOpened
  | ShardClosed
  | JournalAdvanced
  | MemberDead
  | MembersChanged
  | LeaseLapsed
  | ShardsGone
  | Tick;
