/** Traces of experiments that measure: Zipf over so many keys, one unit a request, from the lab's seed. */
import type { Shape } from "../arrivals.ts";
import type { NamedEvents } from "../backend.ts";
import { EventColumns, nameKeys } from "../events.ts";
import { generateEvents } from "../trace-generator.ts";
import { START_US } from "../trace.ts";

export interface LabTrace extends NamedEvents {
  readonly seed: number;
}

export function labTrace({
  arrivals = "steady",
  zipfS = 1.1,
  ...size
}: {
  readonly seed: number;
  readonly keys: number;
  readonly rate: number;
  readonly durationUs: number;
  /** Steady, unless it is said. */
  readonly arrivals?: Shape;
  /** 1.1 unless it is said. */
  readonly zipfS?: number;
}): LabTrace {
  const header = {
    ...size,
    startUs: START_US,
    costMin: 1,
    costMax: 1,
    dist: "zipf",
    shape: arrivals,
    zipfS,
  } as const;
  const events = new EventColumns();
  for (const batch of generateEvents(header)) events.append(batch);
  return { events, names: nameKeys(events, size.keys), seed: size.seed };
}
