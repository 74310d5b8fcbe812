/**
 * Runs one actor: mailbox in front, supervisor behind, the clock and the scheduler around it.
 *
 *      post ──▶ mailbox ──▶ step(event, now) ──▶ outbox
 *        │ no room             │ throws
 *        ▼                     ▼
 *      OVERLOADED          answer INTERNAL, throw the state away, start again after a back-off
 *
 *      event loop:   read all that has come ──▶ one turn ──▶ read … ──▶ one turn
 *
 * A turn begins when everything that has come is read, and ends after `TURN_WEIGHT`, so that the backlog stands
 * in the mailbox and not in the socket: there it would be first in, first out for all tenants together, and
 * unbounded. Beyond the mailbox's bounds callers are told to come back instead of being kept waiting. Order is
 * kept within a lane; lanes take turns, and whose lane is full is refused alone (mailbox.ts).
 */
import type { Clock } from "../core/clock.ts";
import { ParlError, shown } from "../core/errors.ts";
import { LatencyHistogram } from "../core/latency-histogram.ts";
import type { Micros } from "../core/units.ts";
import type { Actor, Outbox } from "./actor.ts";
import { Mailbox, type Admittance } from "./mailbox.ts";
import { Supervisor } from "./supervisor.ts";

/** Checks waiting: at a million a second, what is beyond this would wait longer than 60 ms. */
const MAILBOX_WEIGHT_MAX = 65_536;
/** Checks worked off in a row before the sockets get their turn: a few milliseconds. */
const TURN_WEIGHT = 4_096;
/** What a caller is told when there is no room: by then a full mailbox has been worked off. */
const OVERLOADED_RETRY_MS = 100;

export interface RuntimeOptions<Event> {
  /** Makes the actor; called again after a crash. */
  readonly create: () => Actor<Event>;
  readonly clock: Clock;
  readonly outbox: Outbox;
  readonly mailboxWeightMax?: number;
  /** Sees every event with its time before the step (inbox-recording.ts). */
  readonly record?: (event: Event, nowUs: Micros) => void;
  /** Told of crashes. */
  readonly onCrash?: (error: unknown, restartInUs: number) => void;
}

export class ActorRuntime<Event> {
  /** Time of a step divided by its checks, in microseconds. */
  readonly stepLatency = new LatencyHistogram();
  /** Checks refused because there was no room for them. */
  overloaded = 0;
  /** Those of them that were refused because of their own lane, while others could get in. */
  overloadedLanes = 0;

  readonly #options: RuntimeOptions<Event>;
  readonly #mailbox: Mailbox<Event>;
  readonly #supervisor = new Supervisor();
  #actor: Actor<Event>;
  /** Monotonic time before which a crashed actor takes nothing. */
  #restartUs = 0;
  #isScheduled = false;
  #lastOverload: { cause: Admittance; lane: string; error: ParlError } | undefined;
  #drained: Promise<void> | undefined;
  #onDrained: (() => void) | undefined;

  constructor(options: RuntimeOptions<Event>) {
    this.#options = options;
    this.#mailbox = new Mailbox(options.mailboxWeightMax ?? MAILBOX_WEIGHT_MAX);
    this.#actor = options.create();
  }

  get mailboxDepth(): number {
    return this.#mailbox.weight;
  }

  get crashes(): number {
    return this.#supervisor.crashes;
  }

  post(event: Event): void {
    const { clock, outbox } = this.#options;
    const weight = this.#actor.weigh(event);
    // What nobody waits for (changed policies, ticks) waits itself: the actor that starts next must know it.
    if (this.#drained !== undefined || (weight > 0 && clock.monotonicUs() < this.#restartUs)) {
      const message =
        this.#drained !== undefined ? "this actor is shutting down" : "the actor is restarting after a crash";
      this.#actor.refuse(event, new ParlError("PARL_UNAVAILABLE", message), outbox);
      return;
    }
    const lane = this.#actor.lane(event);
    const admittance = this.#mailbox.push(event, weight, lane);
    if (admittance !== "accepted") {
      this.overloaded += weight;
      if (admittance === "lane-full") this.overloadedLanes += weight;
      this.#actor.refuse(event, this.#overload(admittance, lane), outbox);
      return;
    }
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#turn());
  }

  /** Refuses new events and resolves when everything accepted has been answered. */
  drain(): Promise<void> {
    this.#drained ??= new Promise((resolve) => {
      if (this.#mailbox.length === 0) resolve();
      else this.#onDrained = resolve;
    });
    return this.#drained;
  }

  /** One error for all that are refused alike between two turns: its stack costs more than a decision. */
  #overload(cause: Admittance, lane: string): ParlError {
    const last = this.#lastOverload;
    if (last?.cause === cause && (last.lane === lane || cause === "mailbox-full")) return last.error;
    const { weight } = this.#mailbox;
    const message =
      cause === "lane-full"
        ? `${spoken(lane)} ${this.#mailbox.laneWeight(lane)} checks waiting; send more when those are answered`
        : `the mailbox is full (${weight} checks waiting); come back later`;
    const error = new ParlError("PARL_OVERLOADED", message, { retryAfterMs: OVERLOADED_RETRY_MS });
    this.#lastOverload = { cause, lane, error };
    return error;
  }

  #turn(): void {
    this.#lastOverload = undefined;
    const before = this.#mailbox.weight;
    while (this.#mailbox.length > 0 && before - this.#mailbox.weight < TURN_WEIGHT) {
      this.#step(this.#mailbox.shift() as Event);
    }
    this.#isScheduled = this.#mailbox.length > 0;
    if (this.#isScheduled) setImmediate(() => this.#turn());
    else this.#onDrained?.();
  }

  #step(event: Event): void {
    const { clock, outbox, record } = this.#options;
    const nowUs = clock.wallUs();
    const startedUs = clock.monotonicUs();
    try {
      record?.(event, nowUs);
      const decided = this.#actor.step(event, nowUs, outbox);
      if (decided > 0) this.stepLatency.record((clock.monotonicUs() - startedUs) / decided, decided);
    } catch (error) {
      this.#crash(event, error);
    }
  }

  #crash(event: Event, error: unknown): void {
    const { clock, create, outbox, onCrash } = this.#options;
    const delayUs = this.#supervisor.delayAfterCrashUs(clock.monotonicUs());
    const message = "the actor failed and starts again from nothing";
    this.#actor.refuse(event, new ParlError("PARL_INTERNAL", message, { cause: error }), outbox);
    this.#restartUs = clock.monotonicUs() + delayUs;
    this.#actor = create();
    onCrash?.(error, delayUs);
  }
}

function spoken(lane: string): string {
  return lane === "" ? "those without a tenant have" : `tenant ${shown(lane)} has`;
}
