/**
 * Packed replies: one fixed-size answer per check of a packed request, in its order.
 *
 *      │ version 1 │ kind 1 │ item bytes 1 │ 0 │ count 2 │ texts 2 │ epoch 8 │ decided µs 8 │ sequence 8 │
 *      │ item │ item │ … │ text │ text │ …
 *
 *      item   │ outcome 1 │ dimension or error 1 │ text 2 │ limit 4 │ remaining 4 │ wait µs 8 │ reset µs 8 │
 *      text   │ length 2 │ UTF-8 │
 *
 * `wait` is retryAfter of a denied check and the delay of an allowed one. `text` numbers one of the texts at
 * the end, the policy's name or an error's message; 65,535 means none. An error's `limit` is 1 + the number of
 * the text that names the field at fault, 0 for none. Items of a newer version may be longer.
 * All checks of a frame are decided at one moment; item i has sequence + i in the process's order of
 * decisions, which is what lets a recording be decided again.
 */
import { DIMENSIONS, OUTCOMES, type Dimension, type Outcome, type Verdict } from "./decision.ts";
import { ERROR_CODES, ParlError, type ErrorCode } from "./errors.ts";
import { WIRE_VERSION, WIRE_VERSION_MAX } from "./packed-request.ts";

const KIND_REPLY = 0x81;
const HEADER_BYTES = 32;
const ITEM_BYTES = 28;
const NO_TEXT = 0xffff;
const NO_DIMENSION = 0xff;
/** Characters of error messages in one reply; beyond, the codes must do, so that any reply fits a message. */
const ERROR_CHARS_MAX = 32_768;
const OUTCOME_ERROR = OUTCOMES.length;
const OUTCOME_MOVED = OUTCOME_ERROR + 1;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

export class PackedReplyWriter {
  #bytes = new Uint8Array(16_384);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;
  #count = 0;
  readonly #texts: Uint8Array[] = [];
  readonly #numberOf = new Map<string, number>();
  #errorChars = 0;

  /** Starts a reply. @param sequence number of the first decision in it */
  begin(epoch: number, decidedUs: number, sequence: number): void {
    this.#end = HEADER_BYTES;
    this.#count = 0;
    this.#texts.length = 0;
    this.#numberOf.clear();
    this.#errorChars = 0;
    this.#bytes[0] = WIRE_VERSION;
    this.#bytes[1] = KIND_REPLY;
    this.#bytes[2] = ITEM_BYTES;
    this.#view.setFloat64(8, epoch, true);
    this.#view.setFloat64(16, decidedUs, true);
    this.#view.setFloat64(24, sequence, true);
  }

  /** Adds a text and answers its number for `decision`. */
  text(text: string): number {
    const known = this.#numberOf.get(text);
    if (known !== undefined) return known;
    this.#numberOf.set(text, this.#texts.length);
    this.#texts.push(utf8.encode(text));
    return this.#texts.length - 1;
  }

  /** @param dimension index into DIMENSIONS, or −1 when no policy applied. @param text −1 for none */
  decision(outcome: Outcome, dimension: number, text: number, limit: number): void {
    this.#item(
      OUTCOMES.indexOf(outcome),
      dimension < 0 ? NO_DIMENSION : dimension,
      text < 0 ? NO_TEXT : text,
      limit,
    );
  }

  /** The rest of the item that `decision` began. */
  amounts(remaining: number, waitUs: number, resetAfterUs: number): void {
    const at = this.#end - ITEM_BYTES;
    this.#view.setUint32(at + 8, remaining, true);
    this.#view.setFloat64(at + 12, waitUs, true);
    this.#view.setFloat64(at + 20, resetAfterUs, true);
  }

  error(error: ParlError): void {
    const hasRoom = this.#errorChars + error.message.length <= ERROR_CHARS_MAX;
    if (hasRoom) this.#errorChars += error.message.length;
    const text = hasRoom ? this.text(error.message) : NO_TEXT;
    const field = error.field === undefined ? 0 : 1 + this.text(error.field);
    this.#item(OUTCOME_ERROR, ERROR_CODES.indexOf(error.code), text, field);
    this.amounts(0, (error.retryAfterMs ?? 0) * 1_000, 0);
  }

  /** The key's home is another shard. */
  moved(shard: number): void {
    this.#item(OUTCOME_MOVED, NO_DIMENSION, NO_TEXT, shard);
    this.amounts(0, 0, 0);
  }

  /** The finished reply, in memory of its own. */
  finish(): Uint8Array {
    this.#view.setUint16(4, this.#count, true);
    this.#view.setUint16(6, this.#texts.length, true);
    for (const text of this.#texts) {
      this.#reserve(2 + text.length);
      this.#view.setUint16(this.#end, text.length, true);
      this.#bytes.set(text, this.#end + 2);
      this.#end += 2 + text.length;
    }
    return this.#bytes.slice(0, this.#end);
  }

  #item(outcome: number, detail: number, text: number, limit: number): void {
    this.#reserve(ITEM_BYTES);
    const at = this.#end;
    this.#bytes[at] = outcome;
    this.#bytes[at + 1] = detail;
    this.#view.setUint16(at + 2, text, true);
    this.#view.setUint32(at + 4, limit, true);
    this.#end += ITEM_BYTES;
    this.#count += 1;
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#end + bytes));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** The epoch a packed reply claims; NaN for anything else. Reads nothing more. */
export function epochIn(reply: Uint8Array): number {
  if (reply.length < HEADER_BYTES || reply[1] !== KIND_REPLY) return Number.NaN;
  return new DataView(reply.buffer, reply.byteOffset).getFloat64(8, true);
}

/** An answer that was not known when its frame was written. */
export interface LateAnswer {
  readonly verdict: Verdict;
  /** Index into DIMENSIONS, or −1 when no policy applied. */
  readonly dimension: number;
  /** Number of the policy's name among the reply's texts, −1 for none. */
  readonly text: number;
}

/** Puts an answer in the place of item `index` of a finished reply. */
export function rewriteDecision(
  reply: Uint8Array,
  index: number,
  { verdict, dimension, text }: LateAnswer,
): void {
  const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength);
  const at = HEADER_BYTES + index * ITEM_BYTES;
  reply[at] = OUTCOMES.indexOf(verdict.outcome);
  reply[at + 1] = dimension < 0 ? NO_DIMENSION : dimension;
  view.setUint16(at + 2, text < 0 ? NO_TEXT : text, true);
  view.setUint32(at + 4, verdict.limit, true);
  view.setUint32(at + 8, verdict.remaining, true);
  view.setFloat64(at + 12, verdict.outcome === "allowed" ? verdict.delayUs : verdict.retryAfterUs, true);
  view.setFloat64(at + 20, verdict.resetAfterUs, true);
}

/** The same for an error, of which the code must do. */
export function rewriteError(reply: Uint8Array, index: number, error: ParlError): void {
  const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength);
  const at = HEADER_BYTES + index * ITEM_BYTES;
  reply.fill(0, at, at + ITEM_BYTES);
  reply[at] = OUTCOME_ERROR;
  reply[at + 1] = ERROR_CODES.indexOf(error.code);
  view.setUint16(at + 2, NO_TEXT, true);
  view.setFloat64(at + 12, (error.retryAfterMs ?? 0) * 1_000, true);
}

export type ReplyItemKind = "decision" | "error" | "moved";

/** Reads answers by number. */
export class PackedReplyReader {
  count = 0;
  epoch = 0;
  decidedUs = 0;
  sequence = 0;

  // The answer selected.
  kind: ReplyItemKind = "decision";
  outcome: Outcome = "allowed";
  dimension: Dimension | null = null;
  /** Policy name or error message; null for none. */
  text: string | null = null;
  limit = 0;
  remaining = 0;
  waitUs = 0;
  resetAfterUs = 0;
  errorCode: ErrorCode = "PARL_INTERNAL";
  /** The request field at fault; null where the error names none. */
  errorField: string | null = null;
  /** For `moved`: the shard to ask. */
  shard = 0;

  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #itemBytes = ITEM_BYTES;
  /** The first `#textCount` are this reply's; the others are left over from replies before. */
  readonly #texts: string[] = [];
  #textCount = 0;

  /** @throws ParlError PARL_INTERNAL when it is no whole packed reply, PARL_UNSUPPORTED_VERSION */
  open(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < HEADER_BYTES || bytes[1] !== KIND_REPLY) throw malformed("has no reply header");
    const version = bytes[0] as number;
    if (version < 1 || version > WIRE_VERSION_MAX) {
      const rule = `speaks version ${version}; versions 1 to ${WIRE_VERSION_MAX} are understood`;
      throw new ParlError("PARL_UNSUPPORTED_VERSION", `the packed reply ${rule}`, { field: "version" });
    }
    const itemBytes = bytes[2] as number;
    const count = view.getUint16(4, true);
    let at = HEADER_BYTES + count * itemBytes;
    if (itemBytes < ITEM_BYTES || at > bytes.length) throw malformed("is shorter than its items");
    const texts = view.getUint16(6, true);
    for (let i = 0; i < texts; i += 1) {
      const start = at + 2;
      at = start > bytes.length ? Infinity : start + view.getUint16(at, true);
      if (at > bytes.length) throw malformed("is shorter than its texts");
      // Reply after reply names the same policies.
      if (!isAscii(this.#texts[i], bytes, start, at)) {
        this.#texts[i] = fromUtf8.decode(bytes.subarray(start, at));
      }
    }
    this.#textCount = texts;
    this.#bytes = bytes;
    this.#view = view;
    this.#itemBytes = itemBytes;
    this.count = count;
    this.epoch = view.getFloat64(8, true);
    this.decidedUs = view.getFloat64(16, true);
    this.sequence = view.getFloat64(24, true);
  }

  /** Fills the fields of the answer with answer number `index`. */
  select(index: number): void {
    const view = this.#view;
    const at = HEADER_BYTES + index * this.#itemBytes;
    const outcome = this.#bytes[at] as number;
    const detail = this.#bytes[at + 1] as number;
    this.kind = outcome < OUTCOME_ERROR ? "decision" : outcome === OUTCOME_MOVED ? "moved" : "error";
    this.outcome = OUTCOMES[outcome] ?? "denied";
    this.dimension = this.kind === "decision" ? (DIMENSIONS[detail] ?? null) : null;
    this.errorCode = this.kind === "error" ? (ERROR_CODES[detail] ?? "PARL_INTERNAL") : "PARL_INTERNAL";
    this.text = this.#textNumber(view.getUint16(at + 2, true));
    this.limit = view.getUint32(at + 4, true);
    this.shard = this.limit;
    this.errorField = this.kind === "error" ? this.#textNumber(this.limit - 1) : null;
    this.remaining = view.getUint32(at + 8, true);
    this.waitUs = view.getFloat64(at + 12, true);
    this.resetAfterUs = view.getFloat64(at + 20, true);
  }

  #textNumber(number: number): string | null {
    return number >= 0 && number < this.#textCount ? (this.#texts[number] as string) : null;
  }
}

/** Whether `text` is what those bytes say, all of it ASCII. */
function isAscii(text: string | undefined, bytes: Uint8Array, start: number, end: number): boolean {
  if (text?.length !== end - start) return false;
  for (let i = 0; i < text.length; i += 1) {
    const byte = bytes[start + i] as number;
    if (byte > 0x7f || byte !== text.charCodeAt(i)) return false;
  }
  return true;
}

function malformed(what: string): ParlError {
  return new ParlError("PARL_INTERNAL", `the packed reply ${what}`, { field: "message" });
}
