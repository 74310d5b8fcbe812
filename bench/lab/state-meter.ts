/**
 * How much state a window limiter's keys need at the fullest moment of a trace, by what each key has to remember:
 *
 *      key a      ├──────────────┤              a key lives from an admission until its state is as good as new
 *      key b          ├───────────────────┤
 *      bytes      ▁▁▁▁▆▆▆▆▆▆▆▆▆▆▆▆▂▂▂▂▂▂▂▂      ← fullest
 *
 * A slot of the key table, and for the log a ring that doubles when it is full (algorithms/event-arena.ts). What
 * lies beside that in a process, a table's free slots and rings outgrown, depends on how many keys there are;
 * `log-break-even` measures it where there are thousands.
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";

const HASH_BYTES = 8;
const WORD_BYTES = 4;
const RING_EVENTS_MIN = 4;
/** A moment and a cost. */
const EVENT_BYTES = 12;
/** Head, length and total. */
const RING_BYTES = 16;

export interface Fullest {
  readonly keys: number;
  readonly bytes: number;
}

interface Life {
  untilUs: number;
  bytes: number;
  /** The log only: moments inside the window, oldest first. */
  eventsUs: number[];
  ringEvents: number;
}

interface Change {
  readonly atUs: number;
  readonly keys: number;
  readonly bytes: number;
}

export class StateMeter {
  readonly #params: AlgorithmParams;
  readonly #slotBytes: number;
  readonly #lives = new Map<number, Life>();
  readonly #changes: Change[] = [];

  constructor(params: AlgorithmParams) {
    this.#params = params;
    this.#slotBytes = HASH_BYTES + WORD_BYTES * createAlgorithm(params).stateWords;
  }

  /** A unit of `key` was admitted; moments never decrease. */
  admit(key: number, atUs: number): void {
    let life = this.#lives.get(key);
    if (life !== undefined && life.untilUs <= atUs) {
      this.#end(life);
      life = undefined;
    }
    if (life === undefined) {
      life = { untilUs: 0, bytes: this.#slotBytes, eventsUs: [], ringEvents: 0 };
      this.#lives.set(key, life);
      this.#changes.push({ atUs, keys: 1, bytes: life.bytes });
    }
    life.untilUs = this.#untilUs(atUs);
    if (this.#params.algorithm === "sliding-log") this.#log(life, atUs);
  }

  /** The moment of the most bytes. */
  fullest(): Fullest {
    for (const life of this.#lives.values()) this.#end(life);
    this.#lives.clear();
    // What ends makes room for what begins at the same moment.
    const changes = this.#changes.toSorted((left, right) => left.atUs - right.atUs || left.keys - right.keys);
    const now = { keys: 0, bytes: 0 };
    let fullest: Fullest = { ...now };
    for (const { keys, bytes } of changes) {
      now.keys += keys;
      now.bytes += bytes;
      if (now.bytes > fullest.bytes) fullest = { ...now };
    }
    return fullest;
  }

  #end({ untilUs, bytes }: Life): void {
    this.#changes.push({ atUs: untilUs, keys: -1, bytes: -bytes });
  }

  /** When a key charged at this moment for the last time is as good as new. */
  #untilUs(atUs: number): number {
    const { algorithm, windowUs, subWindows = 10 } = this.#params;
    if (algorithm === "sliding-log") return atUs + windowUs;
    if (algorithm === "fixed-window") return (Math.floor(atUs / windowUs) + 1) * windowUs;
    if (algorithm === "sliding-window") return (Math.floor(atUs / windowUs) + 2) * windowUs;
    const subWindowUs = Math.ceil(windowUs / subWindows);
    return (Math.floor(atUs / subWindowUs) + subWindows + 1) * subWindowUs;
  }

  #log(life: Life, atUs: number): void {
    const { eventsUs } = life;
    const left = eventsUs.findIndex((us) => us > atUs - this.#params.windowUs);
    eventsUs.splice(0, left === -1 ? eventsUs.length : left);
    // Units of one microsecond share an event.
    if (eventsUs.at(-1) !== atUs) eventsUs.push(atUs);
    if (eventsUs.length <= life.ringEvents) return;
    const grown = Math.max(RING_EVENTS_MIN, 2 * life.ringEvents);
    const bytes = EVENT_BYTES * (grown - life.ringEvents) + (life.ringEvents === 0 ? RING_BYTES : 0);
    life.ringEvents = grown;
    life.bytes += bytes;
    this.#changes.push({ atUs, keys: 0, bytes });
  }
}
