/**
 * FINAL: what the giver knew last, sent once the shard is frozen. It counts when the shard is the taker's.
 *
 *      │ nowUs 8 │ pages before 4 │
 *      │ n 4 │ (length 4 │ dirty page) × n │
 *      │ length 4 │ reply subjects of answered messages, a space between them │
 *      │ length 4 │ loan rows │ length 4 │ answered idempotency ids │
 *
 * Cut into chunks of one message each. Once the shard has moved all chunks are sent again until the taker says it
 * has them, so they may arrive in any order and more than once.
 */
import { ParlError } from "../../core/errors.ts";
import { micros, type Micros } from "../../core/units.ts";
import { ANSWERED_MAX } from "./answered-list.ts";
import { malformed, PAYLOAD_BYTES_MAX } from "./messages.ts";

/** 16 MiB: beyond it a shard is frozen for longer than a client waits. */
export const FINAL_CHUNKS_MAX = 64;

export interface FinalState {
  /** The giver's last time of the shard, wall clock. */
  readonly nowUs: Micros;
  /** Pages that the taker must have got before. */
  readonly pages: number;
  /** State pages of what changed since those. */
  readonly dirty: readonly Uint8Array[];
  /** Reply subjects of the messages that the giver has taken care of (answered-list.ts). */
  readonly answered: readonly string[];
  readonly loans: Uint8Array;
  readonly answeredIds: Uint8Array;
}

export function encodeFinal(state: FinalState): Uint8Array {
  // One text: each on its own took most of the time of a FINAL.
  const answered = new TextEncoder().encode(state.answered.join(" "));
  const size =
    12 +
    state.dirty.reduce((sum, page) => sum + 4 + page.length, 4) +
    (4 + answered.length) +
    (4 + state.loans.length + 4 + state.answeredIds.length);
  const writer = new Writer(size);
  writer.f64(state.nowUs);
  writer.u32(state.pages);
  writer.u32(state.dirty.length);
  for (const page of state.dirty) writer.section(page);
  writer.section(answered);
  writer.section(state.loans);
  writer.section(state.answeredIds);
  return writer.bytes;
}

/** @throws ParlError PARL_MALFORMED; sections are views into `bytes` */
export function decodeFinal(bytes: Uint8Array): FinalState {
  const reader = new Reader(bytes);
  const nowUs = micros(reader.whole("nowUs"));
  const pages = reader.u32();
  const dirty = Array.from({ length: reader.items(4) }, () => reader.section());
  const text = new TextDecoder().decode(reader.section());
  const answered = text === "" ? [] : text.split(" ", ANSWERED_MAX + 1);
  if (answered.length > ANSWERED_MAX) throw malformed(`lists more than ${ANSWERED_MAX} answered messages`);
  const loans = reader.section();
  const answeredIds = reader.section();
  reader.end();
  return { nowUs, pages, dirty, answered, loans, answeredIds };
}

/** @throws ParlError PARL_TOO_LARGE */
export function finalChunks(final: Uint8Array): Uint8Array[] {
  const count = Math.ceil(final.length / PAYLOAD_BYTES_MAX);
  if (count > FINAL_CHUNKS_MAX) {
    const message = `the end of a handoff takes ${final.length} bytes, at most ${FINAL_CHUNKS_MAX * PAYLOAD_BYTES_MAX} are sent`;
    throw new ParlError("PARL_TOO_LARGE", message, { field: "handoff" });
  }
  return Array.from({ length: count }, (_, i) =>
    final.subarray(i * PAYLOAD_BYTES_MAX, (i + 1) * PAYLOAD_BYTES_MAX),
  );
}

/** Collects the chunks of a FINAL. */
export class FinalAssembly {
  #chunks: (Uint8Array | undefined)[] = [];
  #missing = 0;

  /** All bytes, once every chunk has arrived. @throws ParlError PARL_MALFORMED */
  add(number: number, count: number, chunk: Uint8Array): Uint8Array | undefined {
    if (count < 1 || count > FINAL_CHUNKS_MAX) throw malformed(`is one of ${count} chunks`);
    if (number >= count) throw malformed(`is chunk ${number} of ${count}`);
    if (this.#chunks.length === 0) {
      this.#chunks = Array.from({ length: count });
      this.#missing = count;
    }
    if (this.#chunks.length !== count) {
      throw malformed(`is one of ${count} chunks, those before were of ${this.#chunks.length}`);
    }
    if (this.#chunks[number] === undefined) this.#missing -= 1;
    this.#chunks[number] = chunk;
    if (this.#missing > 0) return undefined;
    const chunks = this.#chunks as Uint8Array[];
    if (count === 1) return chunk;
    const whole = new Uint8Array(chunks.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of chunks) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}

class Writer {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
  }

  u32(value: number): void {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  f64(value: number): void {
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  append(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  section(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.append(bytes);
  }
}

/** Reads in order; every length is checked against what is there. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  whole(field: string): number {
    const value = this.#view.getFloat64(this.#take(8), true);
    if (!Number.isSafeInteger(value) || value < 0) throw malformed(`ends with ${field} ${value}`);
    return value;
  }

  /** How many items follow, of at least `bytesMin` each. */
  items(bytesMin: number): number {
    const count = this.u32();
    if (count * bytesMin > this.#bytes.length - this.#at) throw malformed(`claims ${count} items at its end`);
    return count;
  }

  section(): Uint8Array {
    const length = this.u32();
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) {
      throw malformed(`has ${this.#bytes.length - this.#at} bytes after its end`);
    }
  }

  #take(length: number): number {
    const start = this.#at;
    if (start + length > this.#bytes.length) throw malformed(`ends at byte ${this.#bytes.length}, too early`);
    this.#at += length;
    return start;
  }
}
