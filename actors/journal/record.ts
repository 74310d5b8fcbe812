/**
 * One message of a shard's journal.
 *
 *      offset  0        1     2      4       8        16      24      28     29       30     32 …
 *             │version │kind│shard │CRC-32 │ epoch  │ nowUs │number │ how  │ crashes │pages│
 *              1        1    2      4       8        8       4       1      1         2
 *      then    crashes × [ atUs 8 │ times 4 ]   pages × [ bytes 4 │ page … ]           little endian
 *
 * `number` counts the messages of one epoch without a gap: a reader notices a missing one, and a writer that
 * never heard of its own message recognises it. The CRC covers everything but itself; pages are state pages
 * (algorithms/state-page.ts), opaque here. The reader trusts nothing. Version and CRC stay where they are in every
 * version, so that what another program has written can be told from damage.
 */
import { crc32 } from "node:zlib";
import { ParlError } from "../../core/errors.ts";
import { micros, type Micros } from "../../core/units.ts";

const VERSION = 1;
const HEADER_BYTES = 32;
const CRC_AT = 4;
const CRASH_BYTES = 12;
const PAGE_HEADER_BYTES = 4;
const HIGH_FACTOR = 2 ** 32;

/** In wire order: append only. */
const KINDS = ["opened", "states", "snapshot-start", "snapshot-end", "clean"] as const;
export type RecordKind = (typeof KINDS)[number];

/**
 * What a new owner has started from. In wire order: append only.
 *
 * - fresh: nothing was ever decided. What the journal says is void.
 * - recovered: the journal, and u more on every key.
 * - continued: the journal as it is, after a clean close or a handoff.
 * - exhausted: the journal cannot be trusted; every key starts exhausted.
 * - rewritten: the same owner found its journal gone and writes it anew; void until the next snapshot's end.
 */
const OPENINGS = ["fresh", "recovered", "continued", "exhausted", "rewritten"] as const;
export type Opening = (typeof OPENINGS)[number];

/** Owners that crashed before `atUs`, for which every key was charged u each at that moment. */
export interface Takeover {
  readonly atUs: Micros;
  readonly times: number;
}

export interface JournalRecord {
  readonly kind: RecordKind;
  readonly shard: number;
  readonly epoch: number;
  /** Wall clock of the writer. */
  readonly nowUs: Micros;
  readonly number: number;
  /** Of an `opened` record; "fresh" in others. */
  readonly how: Opening;
  /** Of an `opened` or `snapshot-start` record: all takeovers still felt, oldest first. */
  readonly takeovers: readonly Takeover[];
  readonly pages: readonly Uint8Array[];
}

export function encodeRecord(record: JournalRecord): Uint8Array {
  const { takeovers, pages } = record;
  const pageBytes = pages.reduce((sum, page) => sum + PAGE_HEADER_BYTES + page.length, 0);
  const bytes = new Uint8Array(HEADER_BYTES + CRASH_BYTES * takeovers.length + pageBytes);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, KINDS.indexOf(record.kind));
  view.setUint16(2, record.shard, true);
  setInteger(view, 8, record.epoch);
  setInteger(view, 16, record.nowUs);
  view.setUint32(24, record.number, true);
  view.setUint8(28, OPENINGS.indexOf(record.how));
  view.setUint8(29, takeovers.length);
  view.setUint16(30, pages.length, true);
  let at = HEADER_BYTES;
  for (const { atUs, times } of takeovers) {
    setInteger(view, at, atUs);
    view.setUint32(at + 8, times, true);
    at += CRASH_BYTES;
  }
  for (const page of pages) {
    view.setUint32(at, page.length, true);
    bytes.set(page, at + PAGE_HEADER_BYTES);
    at += PAGE_HEADER_BYTES + page.length;
  }
  view.setUint32(CRC_AT, checksum(bytes), true);
  return bytes;
}

/**
 * Pages of the result share the memory of `bytes`.
 *
 * @throws ParlError PARL_UNSUPPORTED_VERSION for another version, PARL_MALFORMED for anything else that is
 *   not exactly one record
 */
export function decodeRecord(bytes: Uint8Array): JournalRecord {
  if (bytes.length < HEADER_BYTES) throw malformed(`is ${bytes.length} bytes, shorter than its header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  // First: a damaged version is no version.
  if (view.getUint32(CRC_AT, true) !== checksum(bytes)) throw malformed("fails its CRC-32");
  const version = view.getUint8(0);
  if (version !== VERSION) {
    const message = `the journal record is of version ${version}, this program reads version ${VERSION}; run the newer program`;
    throw new ParlError("PARL_UNSUPPORTED_VERSION", message, { field: "journal" });
  }
  const kind = KINDS[view.getUint8(1)];
  if (kind === undefined) throw malformed(`is of the unknown kind ${view.getUint8(1)}`);
  const how = OPENINGS[view.getUint8(28)];
  if (how === undefined) throw malformed(`has the unknown opening ${view.getUint8(28)}`);
  const shard = view.getUint16(2, true);
  const epoch = integerAt(view, 8);
  const nowUs = micros(integerAt(view, 16));
  const number = view.getUint32(24, true);
  const pagesAt = HEADER_BYTES + CRASH_BYTES * view.getUint8(29);
  if (pagesAt > bytes.length) throw malformed("ends among its takeovers");
  const pages = pagesFrom(bytes, view, pagesAt);
  return { kind, shard, epoch, nowUs, number, how, takeovers: takeoversOf(view), pages };
}

function takeoversOf(view: DataView): Takeover[] {
  return Array.from({ length: view.getUint8(29) }, (_, i) => {
    const at = HEADER_BYTES + CRASH_BYTES * i;
    return { atUs: micros(integerAt(view, at)), times: view.getUint32(at + 8, true) };
  });
}

function pagesFrom(bytes: Uint8Array, view: DataView, from: number): Uint8Array[] {
  const pages: Uint8Array[] = [];
  let at = from;
  for (let i = view.getUint16(30, true); i > 0; i -= 1) {
    if (at + PAGE_HEADER_BYTES > bytes.length) throw malformed("ends before its last page");
    const start = at + PAGE_HEADER_BYTES;
    at = start + view.getUint32(at, true);
    if (at > bytes.length) throw malformed("ends within a page");
    pages.push(bytes.subarray(start, at));
  }
  if (at !== bytes.length) throw malformed(`has ${bytes.length - at} bytes after its last page`);
  return pages;
}

/** Whether bytes that are no record for us are one for another program, which alone may judge them. */
export function isForeign(error: ParlError): boolean {
  return error.code === "PARL_UNSUPPORTED_VERSION";
}

/** The record in a message, if it is one. Undefined: somebody else's message, or damaged. */
export function recordIn(bytes: Uint8Array): JournalRecord | "foreign" | undefined {
  try {
    return decodeRecord(bytes);
  } catch (error) {
    if (!(error instanceof ParlError)) throw error;
    return isForeign(error) ? "foreign" : undefined;
  }
}

/** Of everything but the checksum's own place. */
function checksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(CRC_AT + 4), crc32(bytes.subarray(0, CRC_AT)));
}

function setInteger(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % HIGH_FACTOR, true);
  view.setUint32(at + 4, Math.floor(value / HIGH_FACTOR), true);
}

function integerAt(view: DataView, at: number): number {
  const value = view.getUint32(at, true) + view.getUint32(at + 4, true) * HIGH_FACTOR;
  if (!Number.isSafeInteger(value)) throw malformed("holds a number beyond 2^53");
  return value;
}

function malformed(what: string): ParlError {
  return new ParlError("PARL_MALFORMED", `the journal record ${what}`, { field: "journal" });
}
