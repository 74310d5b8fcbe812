/** Records for tests, with what does not matter filled in. */
import { encodeRecord, type JournalRecord } from "../../../actors/journal/record.ts";
import { micros, US_PER_S } from "../../../core/units.ts";

export const SHARD = 7;
export const NOW = micros(1_700_000_000 * US_PER_S);

export function record(over: Partial<JournalRecord>): JournalRecord {
  return {
    kind: "states",
    shard: SHARD,
    epoch: 1_000,
    nowUs: NOW,
    number: 0,
    how: "fresh",
    takeovers: [],
    pages: [],
    ...over,
  };
}

/** The bytes of records of one epoch, numbered from `from` on. */
export function encodedRun(
  epoch: number,
  from: number,
  records: readonly Partial<JournalRecord>[],
): Uint8Array[] {
  return records.map((one, i) => encodeRecord(record({ epoch, number: from + i, ...one })));
}

export function page(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** What a program of the next version may have written: only version and checksum are where we expect them. */
export function foreignRecord(): Uint8Array {
  const bytes = page("2   crc-whatever a later program has to say");
  bytes[0] = 2;
  seal(bytes);
  return bytes;
}

/** Makes the checksum right again, by the bytes-at-a-time definition of CRC-32. */
export function seal(bytes: Uint8Array): void {
  let crc = 2 ** 32 - 1;
  for (const [at, byte] of bytes.entries()) {
    if (at >= 4 && at < 8) continue;
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ ((crc & 1) * 0xedb88320);
  }
  new DataView(bytes.buffer).setUint32(4, ~crc >>> 0, true);
}
