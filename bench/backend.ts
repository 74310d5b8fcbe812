/**
 * The port the driver drives: something that decides the events of a trace it was given when it was made.
 * The local backend has decided when `submit` returns; a remote one sends what it can and reports later.
 */
import type { EventColumns } from "./events.ts";

/** What is asked, and by which names. */
export interface NamedEvents {
  readonly events: EventColumns;
  /** By the events' key. */
  readonly names: readonly string[];
}

export interface VerdictSink {
  /** Event `index` has its answer. Called once for every event, in any order across keys. */
  decided(index: number, isAllowed: boolean): void;
}

export interface Footprint {
  readonly liveKeys: number;
  /** Everything the backend keeps for its keys, divided by the live ones. */
  readonly bytesPerKey: number;
  /** `used_memory` of a Redis; null where there is none. */
  readonly redisUsedMem: number | null;
}

/** All that the driver knows of it. */
export interface Decider {
  /** Asks for events `from` … `to` − 1, in this order. */
  submit(from: number, to: number, sink: VerdictSink): void;
  /** Gives answers a chance to arrive. Absent: `submit` answers before it returns. */
  turn?(): Promise<void>;
}

export interface Backend extends Decider {
  readonly name: string;
  /** Questions sent to somebody else and waited for, however many decisions each brought back. */
  readonly roundTrips: number;
  /** Makes so many more keys live, exhausted at `nowUs`; no event asks for them. */
  hold(count: number, nowUs: number, onProgress: (share: number) => void): Promise<void>;
  footprint(): Promise<Footprint>;
}
