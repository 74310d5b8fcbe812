/** An outbox that writes down what it is asked for, one line each, and keeps the messages. */
import { decodeMessage, encodeMessage, type HandoffMessage } from "../../../actors/handoff/messages.ts";
import type { Member } from "../../../actors/handoff/member.ts";
import type { ShardMessage } from "../../../actors/handoff/parked-messages.ts";
import type {
  ArrivedShard,
  ClosingState,
  HandoffEnded,
  HandoffOutbox,
} from "../../../actors/handoff/transfer.ts";
import type { ParlError } from "../../../core/errors.ts";
import { micros } from "../../../core/units.ts";

export const A: Member = { id: "a", incarnation: 11 };
export const B: Member = { id: "b", incarnation: 22 };
export const C: Member = { id: "c", incarnation: 33 };
export const SHARD = 7;
export const TRANSFER = 99;
export const NOTHING = new Uint8Array(0);
export const CLOSING: ClosingState = { nowUs: micros(5_000), loans: NOTHING, answeredIds: NOTHING };

export class RecordingOutbox implements HandoffOutbox {
  readonly sent: { to: Member; bytes: Uint8Array; message: HandoffMessage }[] = [];
  readonly ends: HandoffEnded[] = [];
  readonly refusals: ParlError[] = [];
  arrived: ArrivedShard | undefined;
  #lines: string[] = [];

  /** What was wished for since the last look. */
  take(): string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  get lastSent(): HandoffMessage {
    return (this.sent.at(-1) as { message: HandoffMessage }).message;
  }

  send(to: Member, bytes: Uint8Array): void {
    const message = decodeMessage(bytes);
    this.sent.push({ to, bytes, message });
    const { kind, number, count } = message;
    const place = kind === "page" || kind === "ack" ? ` ${number}` : "";
    this.#lines.push(`${kind}${place}${kind === "final" ? ` ${number}/${count}` : ""} → ${to.id}`);
  }

  freeze(shard: number): void {
    this.#lines.push(`freeze ${shard}`);
  }

  unfreeze(shard: number): void {
    this.#lines.push(`unfreeze ${shard}`);
  }

  casOwner(shard: number, _transfer: number, to: Member, expectedEpoch: number): void {
    this.#lines.push(`cas owner.${shard} ${expectedEpoch} → ${to.id}`);
  }

  release(shard: number): void {
    this.#lines.push(`release ${shard}`);
  }

  subscribe(shard: number): void {
    this.#lines.push(`subscribe ${shard}`);
  }

  unsubscribe(shard: number): void {
    this.#lines.push(`unsubscribe ${shard}`);
  }

  adopt(shard: number, arrived: ArrivedShard): void {
    this.arrived = arrived;
    this.#lines.push(`adopt ${shard} epoch ${arrived.epoch}`);
  }

  replay(_shard: number, { replyTo, subject }: ShardMessage): void {
    this.#lines.push(`replay ${replyTo || subject}`);
  }

  refuse(_shard: number, { replyTo }: ShardMessage, { code }: ParlError): void {
    this.#lines.push(`refuse ${replyTo} ${code}`);
  }

  refused(error: ParlError): void {
    this.refusals.push(error);
  }

  ended(ended: HandoffEnded): void {
    this.ends.push(ended);
    const { role, outcome, isConfirmed, error } = ended;
    const why = error === undefined ? (isConfirmed ? " confirmed" : "") : ` ${error.code}`;
    this.#lines.push(`${role} ${outcome}${why}`);
  }
}

export function messageFrom(
  from: Member,
  kind: HandoffMessage["kind"],
  parts: Partial<HandoffMessage> = {},
): HandoffMessage {
  return { kind, from, shard: SHARD, transfer: TRANSFER, number: 0, count: 0, payload: NOTHING, ...parts };
}

export function bytesFrom(
  from: Member,
  kind: HandoffMessage["kind"],
  parts: Partial<HandoffMessage> = {},
): Uint8Array {
  return encodeMessage(messageFrom(from, kind, parts));
}

export function shardMessage(replyTo: string, text = "{}"): ShardMessage {
  return {
    subject: `parl.shard.${SHARD}.check.acme.alice`,
    replyTo,
    payload: new TextEncoder().encode(text),
  };
}
