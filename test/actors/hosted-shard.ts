/** A host of one shard whose server is this object: what is subscribed to is delivered to by hand. */
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { expect } from "vitest";
import type { ShardMessage } from "../../actors/handoff/parked-messages.ts";
import { ShardActor } from "../../actors/shard-actor.ts";
import { ShardHost } from "../../actors/shard-host.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { ManualClock } from "../../core/clock.ts";
import { homeShard, orgShard } from "../../core/key.ts";
import { IDLE_PROCESS } from "./idle-process.ts";
import { policiesOf, SHARDS } from "./lone-shard-actor.ts";

const ORG = orgShard("acme", SHARDS);
const KEY = Array.from({ length: 9 }, (_, i) => `k${i}`).find(
  (key) => homeShard("acme", key, SHARDS) !== ORG,
);
export const KEY_SHARD = homeShard("acme", KEY as string, SHARDS);
export const EPOCH = 7;
const ASKER = "_INBOX.asker";

export class HostedShard {
  readonly clock = new ManualClock();
  /** Subjects, and what was sent there. */
  readonly sent: string[] = [];
  readonly payloads: Uint8Array[] = [];
  mayAnswer = true;
  /** How often it may yet. */
  mayAnswerTimes = Infinity;
  /** Of the shard's own messages. */
  route: (shard: number, message: ShardMessage, weight: number) => "decide" | "parked" | "ignore" = () =>
    "decide";
  readonly connection: NatsConnection;
  readonly host: ShardHost;
  readonly #callbacks = new Map<string, (error: null, message: Partial<Msg>) => void>();

  constructor(...policies: string[]) {
    const connection = {
      subscribe: (
        subject: string,
        { callback }: { callback: (error: null, message: Partial<Msg>) => void },
      ) => {
        this.#callbacks.set(subject, callback);
        const unsubscribe = (): unknown => this.#callbacks.delete(subject);
        return { unsubscribe, drain: () => Promise.resolve(unsubscribe()) };
      },
      publish: (subject: string, payload: Uint8Array) => {
        this.sent.push(subject);
        this.payloads.push(payload);
      },
    };
    this.connection = connection as unknown as NatsConnection;
    this.host = new ShardHost({
      connection: this.connection,
      clock: this.clock,
      member: "eu-1",
      createActor: () =>
        new ShardActor({
          region: "eu",
          self: { member: "eu-1", incarnation: 1 },
          shards: SHARDS,
          secret: { high: 1, low: 2 },
          policies: policiesOf(...policies),
          budget: new MemoryBudget(Infinity),
          facts: () => IDLE_PROCESS,
          startedUs: this.clock.wallUs(),
        }),
      mayAnswer: () => {
        this.mayAnswerTimes -= 1;
        return this.mayAnswer && this.mayAnswerTimes >= 0;
      },
      route: (...arrival) => this.route(...arrival),
      onCrash: (error) => expect.fail(String(error)),
    });
    this.host.start();
    this.host.subscribe(KEY_SHARD);
    this.host.post({ kind: "shard-opened", shard: KEY_SHARD, epoch: EPOCH, isJournalled: true });
  }

  get subscriptions(): string[] {
    return [...this.#callbacks.keys()];
  }

  /** What the server hands to whoever has subscribed to just this. */
  deliver(subscription: string, message: Partial<Msg>): void {
    this.#callbacks.get(subscription)?.(null, message);
  }

  check(tokens: number, reply = ASKER): void {
    this.#ask(`check.acme.${KEY}`, { tokens }, reply);
  }

  /** Resets the key, and a user whose home is elsewhere. */
  reset(): void {
    this.#ask(`forget.acme.${KEY}`, { user: "u1", policies: ["key"] }, "_INBOX.operator");
  }

  /** The journal has written what was due. */
  async written(): Promise<void> {
    const journal = this.host.actor.admission.table.journal(KEY_SHARD);
    journal?.takeDue(10_000);
    journal?.acked();
    this.host.post({ kind: "journal-advanced" });
    await this.quiet();
  }

  /** Everything posted is done. */
  async quiet(): Promise<void> {
    await expect.poll(() => this.host.runtime.mailboxDepth).toBe(0);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async tick(us: number): Promise<void> {
    this.clock.advanceUs(us);
    this.host.post({ kind: "tick" });
    await this.quiet();
  }

  answers(): number {
    return this.sent.filter((subject) => subject === ASKER).length;
  }

  #ask(what: string, body: unknown, reply: string): void {
    const subject = `parl.shard.${KEY_SHARD}.${what}`;
    const data = new TextEncoder().encode(JSON.stringify(body));
    this.deliver(`parl.shard.${KEY_SHARD}.>`, { subject, data, reply });
  }
}
