/**
 * An actor's inbox as lines of text: what arrived and when. Played back into a fresh actor it gives the same
 * outbox, byte for byte, which turns any incident into a test.
 */
import { micros, type Micros } from "../core/units.ts";
import type { Actor, Outbox } from "./actor.ts";
import type { ShardEvent } from "./shard-event.ts";

interface RecordedBytes {
  readonly base64: string;
}

export function encodeInboxLine(event: ShardEvent, nowUs: Micros): string {
  return JSON.stringify({ nowUs, event }, function (this: Record<string, unknown>, name, value: unknown) {
    // `value` has been through toJSON already, which the Buffers of a socket have.
    const raw = this[name];
    if (raw instanceof Uint8Array) return { base64: Buffer.from(raw).toString("base64") };
    if (raw instanceof Map) return { map: [...raw] };
    return value;
  });
}

export function decodeInboxLine(line: string): { event: ShardEvent; nowUs: Micros } {
  const { event, nowUs } = JSON.parse(line, (_, value: unknown) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    if ("base64" in value) return new Uint8Array(Buffer.from((value as RecordedBytes).base64, "base64"));
    if ("map" in value) return new Map(value.map as [unknown, unknown][]);
    return value;
  }) as { event: ShardEvent; nowUs: number };
  return { event, nowUs: micros(nowUs) };
}

/** Steps `actor` through recorded lines and hands everything it says to `outbox`. */
export function playInbox(lines: Iterable<string>, actor: Actor<ShardEvent>, outbox: Outbox): void {
  for (const line of lines) {
    const { event, nowUs } = decodeInboxLine(line);
    actor.step(event, nowUs, outbox);
  }
}
