/**
 * Writing and reading the little-endian frames that processes of one cluster send each other.
 *
 * The reader trusts nothing: every read is checked against the end, every number against its range, every
 * token against its alphabet, and the error says which field of which message. Neither knows what a frame
 * means (loan-messages.ts).
 */
import { ParlError } from "../core/errors.ts";

const BYTES_FIRST = 1_024;

export class FrameWriter {
  #bytes = new Uint8Array(BYTES_FIRST);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.#end;
  }

  u8(value: number): void {
    const at = this.#take(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#take(2);
    this.#view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#take(4);
    this.#view.setUint32(at, value, true);
  }

  f64(value: number): void {
    const at = this.#take(8);
    this.#view.setFloat64(at, value, true);
  }

  /** ASCII of at most 255 characters, its length in front. */
  token(text: string): void {
    this.u8(text.length);
    const at = this.#take(text.length);
    for (let i = 0; i < text.length; i += 1) this.#bytes[at + i] = text.charCodeAt(i);
  }

  /** What was written, in memory of its own. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#end);
  }

  /** Makes room, which may replace the view: call it before. */
  #take(count: number): number {
    const at = this.#end;
    this.#end += count;
    if (this.#end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#end));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

export class FrameReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** What the frame is called in errors. */
  readonly #name: string;
  #at = 0;

  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#name = name;
  }

  get at(): number {
    return this.#at;
  }

  u8(field: string): number {
    return this.#view.getUint8(this.#take(1, field));
  }

  u16(field: string): number {
    return this.#view.getUint16(this.#take(2, field), true);
  }

  u32(field: string, max = 2 ** 32 - 1): number {
    const value = this.#view.getUint32(this.#take(4, field), true);
    if (value > max) throw this.problem(field, `is ${value}, at most ${max}`);
    return value;
  }

  /** A whole number from 0 to 2^53 − 1: a counter, an id, an epoch. */
  whole(field: string): number {
    const value = this.#view.getFloat64(this.#take(8, field), true);
    if (!Number.isSafeInteger(value) || value < 0 || Object.is(value, -0))
      throw this.problem(field, `is ${value}, not a whole number from 0 to 2^53 - 1`);
    return value;
  }

  /** A duration of 0 or more; Infinity for never. */
  duration(field: string): number {
    const value = this.#view.getFloat64(this.#take(8, field), true);
    if (!(value >= 0) || Object.is(value, -0)) throw this.problem(field, `is ${value}, not a duration`);
    return value;
  }

  token(field: string, alphabet: RegExp): string {
    const length = this.u8(field);
    const at = this.#take(length, field);
    const text = String.fromCharCode(...this.#bytes.subarray(at, at + length));
    if (!alphabet.test(text)) throw this.problem(field, `does not match ${alphabet.source}`);
    return text;
  }

  /** Steps over fields that a newer writer has added. */
  skipTo(at: number, field: string): void {
    this.#take(Math.max(0, at - this.#at), field);
  }

  end(): void {
    if (this.#at !== this.#bytes.length)
      throw this.problem("message", `goes on for ${this.#bytes.length - this.#at} bytes after its last row`);
  }

  problem(field: string, what: string): ParlError {
    return new ParlError("PARL_MALFORMED", `${field} of the ${this.#name} ${what}`, { field });
  }

  #take(count: number, field: string): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw this.problem(field, `is cut off at byte ${at}`);
    this.#at = at + count;
    return at;
  }
}
