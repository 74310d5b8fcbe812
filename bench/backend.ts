/**
 * The port the driver drives: something that decides the events of a trace it was given when it was made.
 * The local backend has decided when `submit` returns; a remote one sends what it can and reports later.
 */

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

export interface Backend {
  readonly name: string;
  /** Asks for events `from` … `to` − 1, in this order. */
  submit(from: number, to: number, sink: VerdictSink): void;
  /** Gives answers a chance to arrive. Absent: `submit` answers before it returns. */
  turn?(): Promise<void>;
  footprint(): Promise<Footprint>;
  close(): Promise<void>;
}
