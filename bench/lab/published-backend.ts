/**
 * A published limiter as the driver asks it: each event is a call of its own, made at the event's moment by the trace's
 * clock. The packages read the time before their call first gives way, so that on Redis any number may be under way.
 * In memory an event waits for the answer to the one before, in the same turn: express-rate-limit's store hands out the
 * key's own record, and calls made meanwhile would be counted in it before it is read.
 */
import { setImmediate } from "node:timers/promises";
import type { Decider, NamedEvents, VerdictSink } from "../backend.ts";
import type { AskUnit } from "./published-limiters.ts";
import type { TraceClock } from "./trace-clock.ts";

interface Asked {
  readonly ask: AskUnit;
  readonly isRemote: boolean;
}

export class PublishedBackend implements Decider {
  readonly #trace: NamedEvents;
  readonly #clock: TraceClock;
  readonly #asked: Asked;
  #failure: unknown;
  readonly #failed = (reason: unknown): void => void (this.#failure ??= reason);

  constructor(trace: NamedEvents, clock: TraceClock, asked: Asked) {
    this.#trace = trace;
    this.#clock = clock;
    this.#asked = asked;
  }

  submit(from: number, to: number, sink: VerdictSink): void {
    if (!this.#asked.isRemote) {
      this.#oneByOne(from, to, sink);
      return;
    }
    for (let index = from; index < to; index += 1) {
      this.#ask(index, (isAllowed) => sink.decided(index, isAllowed));
    }
  }

  /** All that was submitted to memory is answered when this returns. */
  async turn(): Promise<void> {
    await setImmediate();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #oneByOne(index: number, to: number, sink: VerdictSink): void {
    this.#ask(index, (isAllowed) => {
      sink.decided(index, isAllowed);
      if (index + 1 < to) this.#oneByOne(index + 1, to, sink);
    });
  }

  #ask(index: number, answered: (isAllowed: boolean) => void): void {
    const { atUs, key } = this.#trace.events;
    this.#clock.set(atUs[index]!);
    this.#asked.ask(this.#trace.names[key[index]!]!, answered, this.#failed);
  }
}
