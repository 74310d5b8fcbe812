/** Traces small enough to look at. */
import { EventColumns } from "../../bench/events.ts";
import { generateEvents } from "../../bench/trace-generator.ts";
import { START_US, type GeneratedHeader } from "../../bench/trace.ts";
import { traceText } from "../../bench/trace-writer.ts";

export const SMALL_HEADER: GeneratedHeader = {
  keys: 50,
  startUs: START_US,
  durationUs: 4_000_000,
  costMin: 1,
  costMax: 3,
  dist: "zipf",
  shape: "spiky",
  zipfS: 1.1,
  seed: 42,
  rate: 500,
};

export function textOf(header: GeneratedHeader): string {
  return [...traceText(header, generateEvents(header))].join("");
}

export function eventsOf(header: GeneratedHeader): EventColumns {
  const events = new EventColumns();
  for (const batch of generateEvents(header)) events.append(batch);
  return events;
}

/** Rows of [µs after the start, key, cost]. */
export function columns(rows: readonly (readonly [atUs: number, key: number, cost: number])[]): EventColumns {
  const events = new EventColumns();
  for (const [atUs, key, cost] of rows) events.push(START_US + atUs, key, cost);
  return events;
}

export function rowsOf(events: EventColumns): [number, number, number][] {
  return Array.from({ length: events.count }, (_, index) => [
    events.atUs[index]!,
    events.key[index]!,
    events.cost[index]!,
  ]);
}
