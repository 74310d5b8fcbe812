/** What arrives in a shard actor's mailbox. */
import type { PolicyDocument } from "../admission/policy.ts";
import type { Micros } from "../core/units.ts";

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
  readonly what: "member" | "policy" | "shard";
  /** Policy name or shard number; "" for the member. */
  readonly name: string;
}

/** A message whose subject fits nothing we know. */
export interface Misdirected extends Arrival {
  readonly kind: "misdirected";
  readonly subject: string;
}

interface PoliciesChanged {
  readonly kind: "policies-changed";
  readonly document: PolicyDocument;
}

/** A shard is ours from now on. */
export interface ShardOpened {
  readonly kind: "shard-opened";
  readonly shard: number;
  readonly epoch: number;
  /** Pages of keys that its owner before had, to be taken over. */
  readonly pages: readonly Uint8Array[];
  /** When set, the owner before crashed: what it may have spent unseen is charged as of this wall time. */
  readonly crashedUs?: Micros;
  /** Nothing of its state could be found although there must be some: every key starts exhausted. */
  readonly isStateLost?: boolean;
}

interface ShardClosed {
  readonly kind: "shard-closed";
  readonly shard: number;
}

/** Time for housekeeping. */
interface Tick {
  readonly kind: "tick";
}

/** Something somebody sent, who may be waiting for an answer. */
export type Message = KeyRequest | PackedFrame | Inquiry | Misdirected;

export type ShardEvent = Message | PoliciesChanged | ShardOpened | ShardClosed | Tick;
