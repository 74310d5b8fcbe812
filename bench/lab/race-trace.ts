/**
 * What all racers are asked: Zipf 1.1 with bursts, a burst and a lull every second or so instead of every five, in whole
 * milliseconds, so that nobody is judged by a finer clock than he reads.
 */
import { US_PER_MS, US_PER_S } from "../../core/units.ts";
import { EventColumns } from "../events.ts";
import { START_US } from "../trace.ts";
import { labTrace, type LabTrace } from "./lab-trace.ts";

/** Times faster than the spiky profile is drawn. */
const FASTER = 4;
/** Half a window after the epoch's grid of windows, so that a short race sees a seam. */
const RACE_START_US = START_US + US_PER_S / 2;
/** Of the spiky profile over its baseline, about. */
const MEAN_FACTOR = 2.7;

export interface RaceSize {
  readonly keys: number;
  /** In a round at full speed, about; the median of so many rounds counts. */
  readonly decisions: number;
  readonly rounds: number;
  /** Of the race as requests come: baseline, a second, and how long. */
  readonly rate: number;
  readonly seconds: number;
}

export function raceTrace(seed: number, keys: number, rate: number, seconds: number): LabTrace {
  const durationUs = FASTER * seconds * US_PER_S;
  const drawn = labTrace({ seed, keys, rate: rate / FASTER, durationUs, arrivals: "spiky" });
  const events = new EventColumns(drawn.events.count);
  for (let index = 0; index < drawn.events.count; index += 1) {
    const afterMs = Math.floor((drawn.events.atUs[index]! - START_US) / (FASTER * US_PER_MS));
    events.push(RACE_START_US + afterMs * US_PER_MS, drawn.events.key[index]!, drawn.events.cost[index]!);
  }
  return { ...drawn, events };
}

/** The same at full speed, where its own pace means nothing. */
export function fullSpeedTrace(seed: number, { keys, decisions, rate }: RaceSize): LabTrace {
  return raceTrace(seed, keys, rate, Math.ceil(decisions / (rate * MEAN_FACTOR)));
}

/**
 * Every event with a string of its own, as every request brings one: a string that was looked up before has its hash
 * with it.
 */
export function withStringsOfTheirOwn(trace: LabTrace): LabTrace {
  const { atUs, key, cost, count } = trace.events;
  const events = new EventColumns(count);
  const names: string[] = [];
  for (let index = 0; index < count; index += 1) {
    events.push(atUs[index]!, index, cost[index]!);
    names.push(`key-${key[index]!}`);
  }
  return { ...trace, events, names };
}
