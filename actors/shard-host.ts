/**
 * The shard actor on NATS: a subscription for each shard, the public subjects, the mailbox, and the gate that
 * lets nothing be decided while this process may not answer.
 *
 *      parl.shard.<p>.> ─▶ route ─▶ decide ─▶ mailbox ─▶ gate ─▶ step ─▶ replies
 *                            ├────▶ parked   (handed over to us, not yet ours)
 *                            └────▶ ignore   (its other owner answers)
 *
 * Every shard has a subscription of its own, so that it moves to another process by moving that. The gate asks
 * right before each step: what waited in the mailbox while the lease ran out is dropped, not answered.
 */
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import type { Clock } from "../core/clock.ts";
import type { Micros } from "../core/units.ts";
import type { Actor, Outbox } from "./actor.ts";
import { ActorRuntime } from "./actor-runtime.ts";
import type { ShardMessage } from "./handoff/parked-messages.ts";
import { LIMITED_ROLL_SUBJECT } from "./limited-call.ts";
import { natsOutbox } from "./nats-host.ts";
import type { ShardActor } from "./shard-actor.ts";
import type { Message, ShardEvent } from "./shard-event.ts";
import {
  CENSUS_SUBJECT,
  eventOf,
  loanSubject,
  PUBLIC_SUBJECTS,
  REGION_SUBJECT,
  shardSubject,
} from "./subjects.ts";

const QUEUE_GROUP = "parl-router";

export interface ShardHostOptions {
  readonly connection: NatsConnection;
  readonly clock: Clock;
  /** Name of this process. */
  readonly member: string;
  /** Makes the actor; called again after a crash. */
  readonly createActor: (host: ShardHost) => ShardActor;
  /** Whether anything may be decided at this moment. */
  readonly mayAnswer: () => boolean;
  /** What to do with a message that came by the subscription of a shard. */
  readonly route: (shard: number, message: ShardMessage, weight: number) => "decide" | "parked" | "ignore";
  readonly record?: (event: ShardEvent, nowUs: Micros) => void;
  /** The actor is gone and with it the state of every shard. */
  readonly onCrash: (error: unknown, restartInUs: number) => void;
}

export class ShardHost {
  readonly runtime: ActorRuntime<ShardEvent>;
  /** Messages dropped because the lease was over, undecided; and answers that were not sent any more. */
  fenced = 0;
  fencedAnswers = 0;

  readonly #options: ShardHostOptions;
  /** Shards to be subscribed to, and those that are. */
  readonly #wanted = new Set<number>();
  readonly #subscriptions = new Map<number, Subscription>();
  readonly #shared: Subscription[] = [];
  /** Nothing is to come in: for a while, or for good. */
  #isAway: "no" | "left" | "cut" = "no";
  #actor: ShardActor | undefined;
  /** Messages accepted and not yet decided. */
  readonly #accepted = new Set<Message>();
  /** Called when nothing accepted for a shard is undone. */
  readonly #quiet = new Map<number, () => void>();

  constructor(options: ShardHostOptions) {
    this.#options = options;
    const { connection, clock, record, onCrash } = options;
    this.runtime = new ActorRuntime<ShardEvent>({
      create: () => {
        this.#actor = options.createActor(this);
        return this.#gated(this.#actor);
      },
      clock,
      outbox: this.#gatedOutbox(natsOutbox(connection)),
      ...(record === undefined ? {} : { record }),
      onCrash,
    });
  }

  get actor(): ShardActor {
    return this.#actor as ShardActor;
  }

  /** Takes part in answering what is asked of the region at large, and of this process. */
  start(): void {
    const { connection } = this.#options;
    const callback = (error: Error | null, message: Msg): void => {
      // The region as a whole is somebody else's question (region-observer.ts).
      if (error === null && message.subject !== REGION_SUBJECT) {
        this.#accept(eventOf(message.subject, message.data, message.reply ?? ""));
      }
    };
    for (const subject of PUBLIC_SUBJECTS) {
      this.#shared.push(connection.subscribe(subject, { queue: QUEUE_GROUP, callback }));
    }
    const { member } = this.#options;
    for (const kind of ["grant", "recall"] as const) {
      const subscription = connection.subscribe(loanSubject(member, kind), {
        callback: (error, { data }) => {
          if (error === null) this.#accept({ kind, payload: data, via: -1, replyTo: "" });
        },
      });
      this.#shared.push(subscription);
    }
    for (const subject of [CENSUS_SUBJECT, LIMITED_ROLL_SUBJECT]) {
      this.#shared.push(connection.subscribe(subject, { callback }));
    }
  }

  subscribe(shard: number): void {
    this.#wanted.add(shard);
    if (this.#isAway !== "no" || this.#subscriptions.has(shard)) return;
    const subscription = this.#options.connection.subscribe(shardSubject(shard), {
      callback: (error, message) => {
        if (error === null) this.#arrived(shard, message);
      },
    });
    this.#subscriptions.set(shard, subscription);
  }

  unsubscribe(shard: number): void {
    this.#wanted.delete(shard);
    this.#subscriptions.get(shard)?.unsubscribe();
    this.#subscriptions.delete(shard);
  }

  /** Decides a message that was parked. */
  replay({ subject, payload, replyTo }: ShardMessage): void {
    this.#accept(eventOf(subject, payload, replyTo));
  }

  /** What no message is: the lives of shards, policies, time. */
  post(event: Exclude<ShardEvent, Message>): void {
    this.runtime.post(event);
    this.#settle();
  }

  /** Calls back once everything accepted for the shard so far is decided and answered. */
  whenQuiet(shard: number, then: () => void): void {
    this.#quiet.set(shard, then);
    this.#settle();
  }

  /** No longer waits for a shard to become quiet. */
  forget(shard: number): void {
    this.#quiet.delete(shard);
  }

  /** Looks whether shards have become quiet. */
  #settle(): void {
    if (this.#quiet.size === 0) return;
    const busy = new Set<number>();
    for (const message of this.#accepted) busy.add(message.via);
    for (const [shard, then] of this.#quiet) {
      if (busy.has(shard) || this.actor.heldFor(shard) > 0) continue;
      this.#quiet.delete(shard);
      then();
    }
  }

  /** Whether all that was accepted is answered, for every shard. */
  get isQuiet(): boolean {
    return this.#accepted.size === 0 && this.actor.owed === 0;
  }

  /** Nothing new comes in from here on, once what is on its way has come; until `resume`. */
  leave(): Promise<unknown> {
    this.#isAway = "left";
    const all = [...this.#subscriptions.values(), ...this.#shared];
    this.#subscriptions.clear();
    this.#shared.length = 0;
    return Promise.all(all.map((subscription) => subscription.drain()));
  }

  /** Ends `leave`. */
  resume(): void {
    if (this.#isAway !== "left") return;
    this.#isAway = "no";
    this.start();
    for (const shard of this.#wanted) this.subscribe(shard);
  }

  /** Like `leave`, at once and for good: what is under way is lost. */
  cut(): void {
    this.#isAway = "cut";
    for (const subscription of [...this.#subscriptions.values(), ...this.#shared]) subscription.unsubscribe();
    this.#subscriptions.clear();
    this.#shared.length = 0;
  }

  #arrived(shard: number, { subject, data, reply = "" }: Msg): void {
    const event = eventOf(subject, data, reply);
    const { route } = this.#options;
    const message = { subject, payload: data, replyTo: reply };
    if (route(shard, message, this.actor.weigh(event)) === "decide") this.#accept(event);
  }

  #accept(event: Message): void {
    this.#accepted.add(event);
    this.runtime.post(event);
  }

  /** Asks again when something goes out: it may have been decided, or asked for, a while ago. */
  #gatedOutbox(outbox: Outbox): Outbox {
    const { mayAnswer } = this.#options;
    return {
      reply: (to, payload) => {
        if (mayAnswer()) outbox.reply(to, payload);
        else this.fencedAnswers += 1;
      },
      send: (subject, payload, replyTo) => {
        if (mayAnswer()) outbox.send(subject, payload, replyTo);
      },
    };
  }

  #gated(actor: ShardActor): Actor<ShardEvent> {
    const done = (event: ShardEvent): void => {
      if ("replyTo" in event) this.#accepted.delete(event);
      if (this.#quiet.size > 0) queueMicrotask(() => this.#settle());
    };
    return {
      step: (event, nowUs, outbox) => {
        const mayAnswer = this.#options.mayAnswer();
        if (!("replyTo" in event)) {
          // Shards come and go; what would answer or ask waits until it may.
          const isIdle = !mayAnswer && (event.kind === "tick" || event.kind === "journal-advanced");
          const decided = isIdle ? 0 : actor.step(event, nowUs, outbox);
          done(event);
          return decided;
        }
        done(event);
        if (mayAnswer) return actor.step(event, nowUs, outbox);
        this.fenced += 1;
        return 0;
      },
      refuse: (event, error, outbox) => {
        done(event);
        actor.refuse(event, error, outbox);
      },
      weigh: (event) => actor.weigh(event),
      lane: (event) => actor.lane(event),
    };
  }
}
