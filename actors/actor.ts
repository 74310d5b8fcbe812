/**
 * What an actor is: a step function over events, and everything it wants done in return.
 *
 * `step` reads no clock and does no I/O. It puts replies into the outbox and the host sends them, in order,
 * after the step has returned. That is what makes an actor replayable: the same events at the same times
 * give the same outbox (inbox-recording.ts).
 */
import type { ParlError } from "../core/errors.ts";
import type { Micros } from "../core/units.ts";

export interface Outbox {
  /** Answers a request. An empty address means that nobody waits for the answer. */
  reply(to: string, payload: Uint8Array): void;
  /** Sends a message of our own, or passes one on to whom it concerns; whoever gets it answers `replyTo`. */
  send(subject: string, payload: Uint8Array, replyTo: string): void;
}

export interface Actor<Event> {
  /** @returns how many checks were decided, for the latency of one */
  step(event: Event, nowUs: Micros, outbox: Outbox): number;
  /** Answers `event` without deciding anything, because the actor cannot take it. */
  refuse(event: Event, error: ParlError, outbox: Outbox): void;
  /** How much of the mailbox an event takes, in checks; 0 for control, which goes before everything else. */
  weigh(event: Event): number;
  /** Whose event it is: the tenant, "" for nobody's. Each has its own lane and its share of the actor. */
  lane(event: Event): string;
}
