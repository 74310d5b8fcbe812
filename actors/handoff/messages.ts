/**
 * What giver and taker of a shard say to each other, in bytes.
 *
 *      │ version 1 │ kind 1 │ name length 1 │ 0 │ shard 2 │ 0 0 │ number 4 │ count 4 │
 *      │ transfer 8 │ incarnation 8 │ CRC-32 4 │ sender's name │ payload …
 *
 *      taker                                   giver
 *        │ ── ASK (epoch it believes in) ───────▶ │          or REFUSE (error)
 *        │ ◀── PAGE number (state page) ───────── │ ╮ window of unacknowledged pages
 *        │ ── ACK number (pages it has) ────────▶ │ ╯
 *        │ ◀── SUBSCRIBE ──────────────────────── │ nearly done
 *        │ ── READY ────────────────────────────▶ │ the subscription is active
 *        │ ◀── FINAL number of count (chunk) ──── │ frozen; the CAS of the owner is on its way
 *        │ ◀── MOVED (epoch) ──────────────────── │ it was stored, as the taker's watch may say, too
 *        │ ── FINAL-ACK ────────────────────────▶ │ has both
 *        │ ◀─▶ ABORT (error) ◀──────────────────▶ │
 *
 * Little-endian. The checksum covers everything but itself: a page under a wrong number is as wrong as a
 * page with a wrong byte. The first 36 bytes stay where they are in every version, so that a peer of
 * another version can at least be told to stop.
 */
import { crc32 } from "node:zlib";
import { ERROR_CODES, ParlError, type ErrorCode } from "../../core/errors.ts";
import type { Member } from "./member.ts";

const HANDOFF_VERSION = 2;
/** Largest message; larger ones would hold up everything behind them on the connection. */
export const MESSAGE_BYTES_MAX = 256 * 1_024;
export const MESSAGE_KINDS = [
  "ask",
  "page",
  "ack",
  "subscribe",
  "ready",
  "final",
  "moved",
  "final-ack",
  "refuse",
  "abort",
] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

const HEADER_BYTES = 36;
const CRC_AT = 32;
const NAME_BYTES_MAX = 32;
/** Largest payload of one message. */
export const PAYLOAD_BYTES_MAX = MESSAGE_BYTES_MAX - HEADER_BYTES - NAME_BYTES_MAX;
const ERROR_TEXT_BYTES_MAX = 1_024;

export interface HandoffMessage {
  readonly kind: MessageKind;
  readonly from: Member;
  readonly shard: number;
  /** Drawn by the taker for each attempt; what tells one attempt's messages from another's. */
  readonly transfer: number;
  /** Of a page or chunk: its place, from 0. Of an ACK: pages received. */
  readonly number: number;
  /** Of a chunk: how many there are. */
  readonly count: number;
  readonly payload: Uint8Array;
}

/** What can be read of a message of any version, or one that arrived damaged: not to be acted upon. */
export interface Envelope {
  readonly kind: MessageKind | undefined;
  readonly from: Member;
  readonly shard: number;
  readonly transfer: number;
}

export function encodeMessage(message: HandoffMessage): Uint8Array {
  const name = new TextEncoder().encode(message.from.id);
  const bytes = new Uint8Array(HEADER_BYTES + name.length + message.payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = HANDOFF_VERSION;
  bytes[1] = MESSAGE_KINDS.indexOf(message.kind);
  bytes[2] = name.length;
  view.setUint16(4, message.shard, true);
  view.setUint32(8, message.number, true);
  view.setUint32(12, message.count, true);
  view.setFloat64(16, message.transfer, true);
  view.setFloat64(24, message.from.incarnation, true);
  bytes.set(name, HEADER_BYTES);
  bytes.set(message.payload, HEADER_BYTES + name.length);
  view.setUint32(CRC_AT, checksum(bytes), true);
  return bytes;
}

/**
 * The message in `bytes`; its payload is a view into them.
 * @throws ParlError PARL_MALFORMED, PARL_TOO_LARGE or PARL_UNSUPPORTED_VERSION; nothing in it counts then
 */
export function decodeMessage(bytes: Uint8Array): HandoffMessage {
  if (bytes.length > MESSAGE_BYTES_MAX) {
    const message = `a handoff message has at most ${MESSAGE_BYTES_MAX} bytes, got ${bytes.length}`;
    throw new ParlError("PARL_TOO_LARGE", message, { field: "handoff" });
  }
  if (bytes.length < HEADER_BYTES) throw malformed(`is ${bytes.length} bytes, shorter than its header`);
  const version = bytes[0] as number;
  if (version !== HANDOFF_VERSION) {
    const message = `the handoff message speaks version ${version}, version ${HANDOFF_VERSION} is understood; upgrade the older process`;
    throw new ParlError("PARL_UNSUPPORTED_VERSION", message, { field: "handoff" });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(CRC_AT, true) !== checksum(bytes)) throw malformed("does not match its checksum");
  const { kind, from, shard, transfer } = envelopeIn(bytes, view);
  if (kind === undefined) throw malformed(`has unknown kind ${bytes[1]}`);
  if (!isIdentifier(transfer)) throw malformed(`has transfer ${transfer}, not a whole number`);
  if (!isIdentifier(from.incarnation)) throw malformed(`has incarnation ${from.incarnation}`);
  if (!/^[a-z0-9-]{1,32}$/.test(from.id)) throw malformed("names no valid sender");
  return {
    kind,
    from,
    shard,
    transfer,
    number: view.getUint32(8, true),
    count: view.getUint32(12, true),
    payload: bytes.subarray(HEADER_BYTES + (bytes[2] as number)),
  };
}

/** What the fixed part of a message says, if there is one. */
export function envelopeOf(bytes: Uint8Array): Envelope | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  return envelopeIn(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

/** Payload of an ASK: of the owner that is asked, as far as the taker knows. Of MOVED: of the taker, as the owner. */
export function encodeEpoch(epoch: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, epoch, true);
  return bytes;
}

/** @throws ParlError PARL_MALFORMED */
export function decodeEpoch(payload: Uint8Array): number {
  if (payload.length !== 8) throw malformed(`has ${payload.length} bytes where an epoch should be`);
  const epoch = new DataView(payload.buffer, payload.byteOffset, 8).getFloat64(0, true);
  if (!isIdentifier(epoch)) throw malformed(`names epoch ${epoch}`);
  return epoch;
}

/** Payload of REFUSE and ABORT: │ code 1 │ 0 0 0 │ retryAfterMs 4 │ text │. */
export function encodeError(error: ParlError): Uint8Array {
  const text = new TextEncoder().encode(error.message).subarray(0, ERROR_TEXT_BYTES_MAX);
  const bytes = new Uint8Array(8 + text.length);
  bytes[0] = ERROR_CODES.indexOf(error.code);
  new DataView(bytes.buffer).setUint32(4, error.retryAfterMs ?? 0, true);
  bytes.set(text, 8);
  return bytes;
}

/** @throws ParlError PARL_MALFORMED */
export function decodeError(payload: Uint8Array): ParlError {
  if (payload.length < 8 || payload.length > 8 + ERROR_TEXT_BYTES_MAX) {
    throw malformed(`carries an error of ${payload.length} bytes`);
  }
  // A code that a newer peer knows and this process does not is still an end.
  const code: ErrorCode = ERROR_CODES[payload[0] as number] ?? "PARL_INTERNAL";
  const retryAfterMs = new DataView(payload.buffer, payload.byteOffset, 8).getUint32(4, true);
  const text = new TextDecoder().decode(payload.subarray(8));
  return new ParlError(code, text, retryAfterMs > 0 ? { retryAfterMs } : {});
}

export function malformed(what: string): ParlError {
  return new ParlError("PARL_MALFORMED", `the handoff message ${what}`, { field: "handoff" });
}

function envelopeIn(bytes: Uint8Array, view: DataView): Envelope {
  const name = bytes.subarray(HEADER_BYTES, HEADER_BYTES + (bytes[2] as number));
  const id = String.fromCharCode(...name);
  return {
    kind: MESSAGE_KINDS[bytes[1] as number],
    from: { id, incarnation: view.getFloat64(24, true) },
    shard: view.getUint16(4, true),
    transfer: view.getFloat64(16, true),
  };
}

function checksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(CRC_AT + 4), crc32(bytes.subarray(0, CRC_AT)));
}

function isIdentifier(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
