/** Traces of experiments that measure: Zipf 1.1 (or another) over so many keys, one unit a request, from the lab's seed. */
import type { NamedEvents } from "../backend.ts";
import { EventColumns, nameKeys } from "../events.ts";
import { generateEvents } from "../trace-generator.ts";
import { START_US } from "../trace.ts";

export interface LabTrace extends NamedEvents {
  readonly seed: number;
}

export function labTrace(given: {
  readonly seed: number;
  readonly keys: number;
  readonly rate: number;
  readonly durationUs: number;
  readonly zipfS?: number;
  readonly shape?: "steady" | "spiky";
}): LabTrace {
  const header = {
    zipfS: 1.1,
    shape: "steady",
    ...given,
    startUs: START_US,
    costMin: 1,
    costMax: 1,
    dist: "zipf",
  } as const;
  const events = new EventColumns();
  for (const batch of generateEvents(header)) events.append(batch);
  return { events, names: nameKeys(events, given.keys), seed: given.seed };
}
