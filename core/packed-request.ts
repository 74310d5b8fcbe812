/**
 * Packed requests: many checks for one shard in one message, laid out for reading without copying.
 *
 *      │ version 1 │ kind 1 │ item head 1 │ 0 │ count 2 │ 0 0 │ epoch 8 │  item  │  item  │ …
 *
 *      item   │ tier 1 │ key length 1 │ user length 1 │ id length 1 │ cost 4 │ key │ user │ id │
 *
 * Little-endian; key, user and id are tokens in ASCII, a length of 0 meaning absent. `item head` says how
 * many bytes precede the tokens, so that a newer version may append fields there and this one still reads
 * it. The first byte tells a packed message (1, 2) from a JSON one ("{").
 *
 * The reader trusts nothing: every length is checked against the end, every token against its alphabet.
 */
import { TIERS, type Tier } from "./decision.ts";
import { invalidArgument, ParlError } from "./errors.ts";
import { invalidToken, isIdToken, TOKEN_LENGTH_MAX } from "./id.ts";

export const WIRE_VERSION = 1;
/** A peer one version ahead is understood. */
export const WIRE_VERSION_MAX = WIRE_VERSION + 1;
/** Largest packed message; larger ones would hold up everything behind them on the connection. */
export const FRAME_BYTES_MAX = 256 * 1_024;
/** Largest cost of one check. */
export const COST_MAX = 2 ** 31 - 1;

export const FRAME_KINDS = ["check", "report"] as const;
export type FrameKind = (typeof FRAME_KINDS)[number];

const HEADER_BYTES = 16;
const ITEM_HEAD_BYTES = 8;
/** So that the reply, 28 bytes an item and every policy's name once, fits into one message of NATS (1 MiB). */
export const FRAME_ITEMS_MAX = 16_384;
/** A writer's first buffer: a dozen checks. */
const BYTES_FIRST = 512;
const ITEM_BYTES_MAX = ITEM_HEAD_BYTES + 3 * TOKEN_LENGTH_MAX;

/** Bytes a token may be made of: [A-Za-z0-9_-] and ~ in front. */
const TOKEN_BYTE = new Uint8Array(256);
for (const char of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-~")
  TOKEN_BYTE[char.charCodeAt(0)] = 1;
const TILDE = "~".charCodeAt(0);
const UNDERSCORE = "_".charCodeAt(0);

/** Collects checks for one shard. Reused: `take` starts the next message. */
export class PackedRequestWriter {
  count = 0;
  readonly #kind: FrameKind;
  #bytes = new Uint8Array(BYTES_FIRST);
  #view = new DataView(this.#bytes.buffer);
  #end = HEADER_BYTES;

  constructor(kind: FrameKind) {
    this.#kind = kind;
  }

  /** Whether one more item certainly fits into the message. */
  get hasRoom(): boolean {
    return this.count < FRAME_ITEMS_MAX && this.#end + ITEM_BYTES_MAX <= FRAME_BYTES_MAX;
  }

  /** Adds a check of valid tokens ("" for absent) and cost. */
  add(tier: Tier, cost: number, key: string, user: string, id: string): void {
    if (this.#end + ITEM_BYTES_MAX > this.#bytes.length) this.#grow();
    const bytes = this.#bytes;
    let at = this.#end;
    bytes[at] = tier === TIERS[0] ? 0 : TIERS.indexOf(tier);
    bytes[at + 1] = key.length;
    bytes[at + 2] = user.length;
    bytes[at + 3] = id.length;
    this.#view.setUint32(at + 4, cost, true);
    at += ITEM_HEAD_BYTES;
    for (let i = 0; i < key.length; i += 1) bytes[at + i] = key.charCodeAt(i);
    at += key.length;
    for (let i = 0; i < user.length; i += 1) bytes[at + i] = user.charCodeAt(i);
    at += user.length;
    for (let i = 0; i < id.length; i += 1) bytes[at + i] = id.charCodeAt(i);
    this.#end = at + id.length;
    this.count += 1;
  }

  /** The message so far, in memory of its own. @param epoch the owner's epoch as last heard, 0 if never */
  take(epoch: number): Uint8Array {
    this.#bytes[0] = WIRE_VERSION;
    this.#bytes[1] = FRAME_KINDS.indexOf(this.#kind);
    this.#bytes[2] = ITEM_HEAD_BYTES;
    this.#view.setUint16(4, this.count, true);
    this.#view.setFloat64(8, epoch, true);
    const message = this.#bytes.slice(0, this.#end);
    this.count = 0;
    this.#end = HEADER_BYTES;
    return message;
  }

  #grow(): void {
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#end + ITEM_BYTES_MAX));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** How many items a message can hold: what it claims, as far as its length allows. Reads nothing else. */
export function itemsAtMost(bytes: Uint8Array): number {
  const claimed = (bytes[4] ?? 0) + ((bytes[5] ?? 0) << 8);
  return Math.max(0, Math.min(claimed, Math.floor((bytes.length - HEADER_BYTES) / ITEM_HEAD_BYTES)));
}

/** Walks over the checks of a message: `open`, then `next` until it says false. */
export class PackedRequestReader {
  bytes: Uint8Array = new Uint8Array(0);
  kind: FrameKind = "check";
  /** Items in the message. */
  count = 0;
  epoch = 0;

  // The current item: tokens are bytes[keyStart … userStart … idStart … end).
  tier: Tier = "approximate";
  cost = 0;
  keyStart = 0;
  userStart = 0;
  idStart = 0;
  end = 0;

  #view: DataView = new DataView(this.bytes.buffer);
  #itemHead = 0;
  #read = 0;

  /** @throws ParlError PARL_MALFORMED or PARL_UNSUPPORTED_VERSION; nothing of the message counts then */
  open(bytes: Uint8Array): void {
    if (bytes.length < HEADER_BYTES) throw malformed(`is ${bytes.length} bytes, shorter than its header`);
    const version = bytes[0] as number;
    if (version < 1 || version > WIRE_VERSION_MAX) {
      const rule = `speaks version ${version}; versions 1 to ${WIRE_VERSION_MAX} are understood`;
      throw new ParlError("PARL_UNSUPPORTED_VERSION", `the packed message ${rule}`, { field: "version" });
    }
    if (bytes.length > FRAME_BYTES_MAX)
      throw malformed(`is ${bytes.length} bytes, at most ${FRAME_BYTES_MAX}`);
    const kind = FRAME_KINDS[bytes[1] as number];
    if (kind === undefined) throw malformed(`has unknown kind ${bytes[1] as number}`);
    const itemHead = bytes[2] as number;
    if (itemHead < ITEM_HEAD_BYTES) throw malformed(`has item heads of ${itemHead} bytes`);
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.kind = kind;
    this.count = this.#view.getUint16(4, true);
    this.epoch = this.#view.getFloat64(8, true);
    if (this.count > FRAME_ITEMS_MAX) throw malformed(`has ${this.count} items, at most ${FRAME_ITEMS_MAX}`);
    this.#itemHead = itemHead;
    this.#read = 0;
    this.end = HEADER_BYTES;
    this.#checkLength();
  }

  /** Moves to the next item; false after the last. */
  next(): boolean {
    if (this.#read === this.count) return false;
    this.#read += 1;
    const { bytes } = this;
    const at = this.end;
    this.tier = TIERS[bytes[at] as number] ?? "approximate";
    this.keyStart = at + this.#itemHead;
    this.userStart = this.keyStart + (bytes[at + 1] as number);
    this.idStart = this.userStart + (bytes[at + 2] as number);
    this.end = this.idStart + (bytes[at + 3] as number);
    this.cost = this.#view.getUint32(at + 4, true);
    return true;
  }

  /** What is wrong with the current item, if anything. */
  problem(): ParlError | undefined {
    const tier = this.bytes[this.keyStart - this.#itemHead] as number;
    if (tier >= TIERS.length) return invalidArgument("tier", `one of ${TIERS.join(", ")}`, tier);
    if (this.cost > COST_MAX)
      return invalidArgument("tokens", `a whole number from 0 to ${COST_MAX}`, this.cost);
    return (
      this.#tokenProblem("key", this.keyStart, this.userStart) ??
      this.#tokenProblem("user", this.userStart, this.idStart) ??
      this.#tokenProblem("id", this.idStart, this.end)
    );
  }

  text(start: number, end: number): string {
    return String.fromCharCode(...this.bytes.subarray(start, end));
  }

  /** Walks all lengths once, so that a truncated message is refused before anything in it is decided. */
  #checkLength(): void {
    const { bytes } = this;
    let at = HEADER_BYTES;
    for (let item = 0; item < this.count; item += 1) {
      if (at + this.#itemHead > bytes.length) throw malformed(`ends within item ${item} of ${this.count}`);
      const tokens = (bytes[at + 1] as number) + (bytes[at + 2] as number) + (bytes[at + 3] as number);
      at += this.#itemHead + tokens;
    }
    if (at !== bytes.length) throw malformed(`is ${bytes.length} bytes, its ${this.count} items take ${at}`);
  }

  #tokenProblem(field: string, start: number, end: number): ParlError | undefined {
    if (start === end) return undefined;
    const { bytes } = this;
    const first = bytes[start] as number;
    let isValid = first !== UNDERSCORE && end - start <= TOKEN_LENGTH_MAX;
    for (let i = start; i < end && isValid; i += 1) isValid = TOKEN_BYTE[bytes[i] as number] === 1;
    if (isValid && first !== TILDE && end - start <= 64) {
      for (let i = start; i < end && isValid; i += 1) isValid = bytes[i] !== TILDE;
      if (isValid) return undefined;
    }
    const token = this.text(start, end);
    return isIdToken(token) ? undefined : invalidToken(field, token);
  }
}

function malformed(what: string): ParlError {
  return new ParlError("PARL_MALFORMED", `the packed message ${what}`, { field: "message" });
}
