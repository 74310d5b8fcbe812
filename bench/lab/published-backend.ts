/**
 * A published limiter as the driver asks it: each event is a call of its own, made at the event's moment by the trace's
 * clock. The packages read the time before their call first gives way, so that any number may be in flight.
 */
import { setImmediate } from "node:timers/promises";
import type { Decider, NamedEvents, VerdictSink } from "../backend.ts";
import type { AskUnit } from "./published-limiters.ts";
import type { TraceClock } from "./trace-clock.ts";

export class PublishedBackend implements Decider {
  readonly #trace: NamedEvents;
  readonly #clock: TraceClock;
  readonly #ask: AskUnit;
  #failure: unknown;

  constructor(trace: NamedEvents, clock: TraceClock, ask: AskUnit) {
    this.#trace = trace;
    this.#clock = clock;
    this.#ask = ask;
  }

  submit(from: number, to: number, sink: VerdictSink): void {
    const { atUs, key } = this.#trace.events;
    const failed = (reason: unknown): void => void (this.#failure ??= reason);
    for (let index = from; index < to; index += 1) {
      this.#clock.set(atUs[index]!);
      this.#ask(this.#trace.names[key[index]!]!, (isAllowed) => sink.decided(index, isAllowed), failed);
    }
  }

  async turn(): Promise<void> {
    await setImmediate();
    if (this.#failure !== undefined) throw this.#failure;
  }
}
