/**
 * Reads the format of trace.ts as a stream and refuses anything that is not all of it: another version, a
 * malformed row (with its line number), a missing or contradicting end line, a gzip that stops half-way.
 */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { ParlError } from "../core/errors.ts";
import { EventColumns } from "./events.ts";
import { isSystemError } from "./output-file.ts";
import { invalidTrace, parseHeaderLine, type Trace, type TraceHeader } from "./trace.ts";

const LINE_FEED = 10;
const SPACE = 32;
const ZERO = 48;
const LETTER_E = 101;
/** Longest line we accept: a header with room to grow. */
const LINE_BYTES_MAX = 64 * 1024;

/** `path` may be `-` for standard input. */
export async function readTrace(path: string): Promise<Trace> {
  const events = new EventColumns(1 << 16);
  const parser = new TraceParser(path, events);
  const consume = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of chunks) parser.push(chunk);
  };
  const source: Readable = path === "-" ? process.stdin : createReadStream(path, { highWaterMark: 1 << 18 });
  try {
    await (path.endsWith(".gz") ? pipeline(source, createGunzip(), consume) : pipeline(source, consume));
  } catch (cause) {
    throw readableError(path, cause);
  }
  return { header: parser.finish(), events };
}

/** Fed chunks of bytes cut anywhere; appends events to its target. */
export class TraceParser {
  readonly #source: string;
  readonly #events: EventColumns;
  #header: TraceHeader | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #line = 0;
  #atUs = 0;
  #ended = false;

  constructor(source: string, events: EventColumns) {
    this.#source = source;
    this.#events = events;
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let from = 0;
    for (let to = bytes.indexOf(LINE_FEED); to !== -1; to = bytes.indexOf(LINE_FEED, from)) {
      this.#line += 1;
      this.#parseLine(bytes, from, to);
      from = to + 1;
    }
    this.#rest = bytes.subarray(from);
    if (this.#rest.length > LINE_BYTES_MAX) throw this.#malformed(`is longer than ${LINE_BYTES_MAX} bytes`);
  }

  finish(): TraceHeader {
    if (this.#header === undefined || !this.#ended || this.#rest.length > 0) {
      throw invalidTrace(
        this.#source,
        `truncated after ${this.#events.count} events (no end line); generate or copy it again`,
      );
    }
    return this.#header;
  }

  #parseLine(bytes: Buffer, from: number, to: number): void {
    if (this.#header === undefined) {
      this.#header = parseHeaderLine(bytes.toString("utf8", from, to), this.#source);
      this.#atUs = this.#header.startUs;
    } else if (this.#ended) {
      throw this.#malformed("follows the end line");
    } else if (bytes[from] === LETTER_E) {
      this.#parseEnd(bytes.toString("latin1", from, to));
    } else {
      this.#parseRow(this.#header, bytes, from, to);
    }
  }

  #parseRow(header: TraceHeader, bytes: Buffer, from: number, to: number): void {
    const keyFrom = bytes.indexOf(SPACE, from) + 1;
    if (keyFrom === 0 || keyFrom > to) throw this.#malformed("is not `<µs> <key> [<cost>]`");
    const nextSpace = bytes.indexOf(SPACE, keyFrom);
    const hasCost = nextSpace !== -1 && nextSpace < to;
    const key = this.#whole(bytes, keyFrom, hasCost ? nextSpace : to);
    const cost = hasCost ? this.#whole(bytes, nextSpace + 1, to) : 1;
    if (key >= header.keys) throw this.#malformed(`has key ${key}, but the header says ${header.keys} keys`);
    if (cost > header.costMax)
      throw this.#malformed(`has cost ${cost}, but the header says ${header.costMax}`);
    this.#atUs += this.#whole(bytes, from, keyFrom - 1);
    this.#events.push(this.#atUs, key, cost);
  }

  #parseEnd(line: string): void {
    const count = /^end (\d{1,15})$/.exec(line)?.[1];
    if (count === undefined) throw this.#malformed("is not `end <events>`");
    if (Number(count) !== this.#events.count) {
      throw invalidTrace(
        this.#source,
        `truncated: ${this.#events.count} events, but its end line says ${count}; generate or copy it again`,
      );
    }
    this.#ended = true;
  }

  #whole(bytes: Buffer, from: number, to: number): number {
    let value = 0;
    for (let at = from; at < to; at += 1) {
      const digit = bytes[at]! - ZERO;
      if (digit < 0 || digit > 9) throw this.#malformed("has something else than digits in a number");
      value = value * 10 + digit;
    }
    if (to === from || to - from > 15) throw this.#malformed("has a number of no or more than 15 digits");
    return value;
  }

  #malformed(problem: string): ParlError {
    return invalidTrace(this.#source, `line ${this.#line} ${problem}`);
  }
}

function readableError(path: string, cause: unknown): unknown {
  if (cause instanceof ParlError || !(cause instanceof Error)) return cause;
  if (isSystemError(cause)) {
    return new ParlError("PARL_INVALID_FILE", `cannot read trace ${path}: ${cause.message}`, {
      field: "trace",
      cause,
    });
  }
  // zlib speaks of Z_BUF_ERROR when the input ends early and of Z_DATA_ERROR when it is something else.
  const problem =
    "code" in cause && cause.code === "Z_BUF_ERROR" ? "truncated (its gzip ends early)" : cause.message;
  return invalidTrace(path, `${problem}; generate or copy it again`);
}
