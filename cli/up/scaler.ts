/**
 * Scaling a region of the demo: `parl scale eu 3` asks, over the region's own NATS server, whoever runs the
 * demo to have that many actor processes there. Growing starts more; shrinking ends the youngest kindly, and
 * each hands its shards over before it leaves.
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { invalidArgument, ParlError } from "../../core/errors.ts";
import { encodeJson, errorBody } from "../../core/wire-json.ts";
import type { Part, ProcessGroup } from "./process-group.ts";

export const SCALE_SUBJECT = "parl.demo.scale";
export const PROCESSES_MAX = 16;

export interface RegionActors {
  readonly region: string;
  /** The n-th actor process of the region, from 1 on. */
  readonly part: (n: number) => Part;
}

export class Scaler {
  readonly #group: ProcessGroup;
  readonly #actors: RegionActors;
  readonly #signal: AbortSignal;
  #processes = 0;
  /** One change at a time, in the order they were asked for. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(group: ProcessGroup, actors: RegionActors, signal: AbortSignal) {
    this.#group = group;
    this.#actors = actors;
    this.#signal = signal;
  }

  /** Answers requests for another number of processes until the connection closes. */
  listen(nats: NatsConnection): void {
    nats.subscribe(SCALE_SUBJECT, {
      callback: (error, message) => {
        if (error === null) void this.#asked(message);
      },
    });
  }

  /** Resolves when so many processes run, with how many there were before. @throws ParlError PARL_UNAVAILABLE when one does not start */
  scaleTo(processes: number): Promise<number> {
    const change = this.#changing.then(() => this.#change(processes));
    this.#changing = change.catch(() => undefined);
    return change;
  }

  async #change(processes: number): Promise<number> {
    const { part } = this.#actors;
    const before = this.#processes;
    while (this.#processes < processes && !this.#signal.aborted) {
      await this.#group.start(part(this.#processes + 1), this.#signal);
      this.#processes += 1;
    }
    while (this.#processes > processes) {
      await this.#group.end(part(this.#processes).title);
      this.#processes -= 1;
    }
    return before;
  }

  async #asked(message: Msg): Promise<void> {
    let answer: unknown;
    try {
      const processes = processesAsked(message.data);
      const before = await this.scaleTo(processes);
      answer = { region: this.#actors.region, before, processes };
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      answer = errorBody(error);
    }
    message.respond(encodeJson(answer));
  }
}

function processesAsked(payload: Uint8Array): number {
  let processes: unknown;
  try {
    processes = (JSON.parse(new TextDecoder().decode(payload)) as Record<string, unknown>)["processes"];
  } catch (cause) {
    throw new ParlError("PARL_MALFORMED", 'the request must be JSON like {"processes":3}', { cause });
  }
  if (
    typeof processes === "number" &&
    Number.isInteger(processes) &&
    processes >= 1 &&
    processes <= PROCESSES_MAX
  )
    return processes;
  throw invalidArgument("processes", `a whole number from 1 to ${PROCESSES_MAX}`, processes);
}
