/** What arrives in a shard actor's mailbox. */
import type { PolicyDocument } from "../admission/policy.ts";

/** A JSON request about one key, as published by people and thin clients. */
export interface KeyRequest {
  readonly kind: "key-request";
  readonly verb: "check" | "report" | "observe";
  /** Tokens as they stood in the subject, not yet validated. */
  readonly tenant: string;
  readonly key: string;
  readonly payload: Uint8Array;
  readonly replyTo: string;
}

/** Packed checks or reports of one tenant for one shard. */
export interface PackedFrame {
  readonly kind: "packed-frame";
  readonly tenant: string;
  readonly shard: number;
  readonly payload: Uint8Array;
  readonly replyTo: string;
}

/** A question about the process rather than a key. */
export interface Inquiry {
  readonly kind: "inquiry";
  readonly what: "region" | "policy" | "shard";
  /** Policy name or shard number; "" for the region. */
  readonly name: string;
  readonly replyTo: string;
}

/** A message whose subject fits nothing we know. */
export interface Misdirected {
  readonly kind: "misdirected";
  readonly subject: string;
  readonly replyTo: string;
}

interface PoliciesChanged {
  readonly kind: "policies-changed";
  readonly document: PolicyDocument;
}

/** Time for housekeeping. */
interface Tick {
  readonly kind: "tick";
}

export type ShardEvent = KeyRequest | PackedFrame | Inquiry | Misdirected | PoliciesChanged | Tick;
