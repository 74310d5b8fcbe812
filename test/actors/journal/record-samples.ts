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
