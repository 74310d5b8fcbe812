/** The gate before a shard actor: what goes out while its process may not answer. Subscriptions by hand. */
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { describe, expect, it } from "vitest";
import { ShardActor } from "../../actors/shard-actor.ts";
import { ShardHost } from "../../actors/shard-host.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { ManualClock } from "../../core/clock.ts";
import { homeShard, orgShard } from "../../core/key.ts";
import { US_PER_MS } from "../../core/units.ts";
import { policiesOf, SHARDS } from "./lone-shard-actor.ts";

const ORG = orgShard("acme", SHARDS);
const KEY = Array.from({ length: 9 }, (_, i) => `k${i}`).find(
  (key) => homeShard("acme", key, SHARDS) !== ORG,
);
const KEY_SHARD = homeShard("acme", KEY as string, SHARDS);
const PER_KEY = "name: key, dimension: key, algorithm: gcra, limit: 100, window: 1d";
const PER_ORG = "name: org, dimension: org, algorithm: gcra, limit: 20, window: 1d";
const FACTS = {
  mailboxDepth: 0,
  overloaded: 0,
  crashes: 0,
  fenced: 0,
  uptimeMs: 0,
  stepLatencyCounts: [],
  stepLatencySumUs: 0,
};

/** A host whose server is this object. */
class Scene {
  readonly clock = new ManualClock();
  /** Subjects, and what was sent there. */
  readonly sent: string[] = [];
  readonly texts: string[] = [];
  mayAnswer = true;
  readonly host: ShardHost;
  readonly #callbacks = new Map<string, (error: null, message: Partial<Msg>) => void>();

  constructor(...policies: string[]) {
    const connection = {
      subscribe: (
        subject: string,
        { callback }: { callback: (error: null, message: Partial<Msg>) => void },
      ) => {
        this.#callbacks.set(subject, callback);
        return { unsubscribe: () => this.#callbacks.delete(subject), drain: () => Promise.resolve() };
      },
      publish: (subject: string, payload: Uint8Array) => {
        this.sent.push(subject);
        this.texts.push(new TextDecoder().decode(payload));
      },
    };
    this.host = new ShardHost({
      connection: connection as unknown as NatsConnection,
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
          facts: () => FACTS,
          startedUs: this.clock.wallUs(),
        }),
      mayAnswer: () => this.mayAnswer,
      route: () => "decide",
      onCrash: (error) => expect.fail(String(error)),
    });
    this.host.start();
    this.host.subscribe(KEY_SHARD);
    this.host.post({ kind: "shard-opened", shard: KEY_SHARD, epoch: 7, isJournalled: true });
  }

  check(tokens: number): void {
    const subject = `parl.shard.${KEY_SHARD}.check.acme.${KEY}`;
    const data = new TextEncoder().encode(JSON.stringify({ tokens }));
    this.#callbacks.get(`parl.shard.${KEY_SHARD}.>`)?.(null, { subject, data, reply: "_INBOX.asker" });
  }

  /** Resets the key, and a user whose home is elsewhere. */
  reset(): void {
    const subject = `parl.shard.${KEY_SHARD}.forget.acme.${KEY}`;
    const data = new TextEncoder().encode(JSON.stringify({ user: "u1", policies: ["key"] }));
    this.#callbacks.get(`parl.shard.${KEY_SHARD}.>`)?.(null, { subject, data, reply: "_INBOX.operator" });
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
    return this.sent.filter((subject) => subject === "_INBOX.asker").length;
  }
}

describe("a host of shards", () => {
  it("answers while it may, and drops what arrives while it may not", async () => {
    const scene = new Scene(PER_KEY);
    scene.check(1);
    await scene.quiet();
    expect(scene.answers()).toBe(1);
    scene.mayAnswer = false;
    scene.check(1);
    await scene.quiet();
    expect([scene.answers(), scene.host.fenced]).toEqual([1, 1]);
    scene.mayAnswer = true;
    scene.check(1);
    await scene.quiet();
    expect(scene.answers()).toBe(2);
  });

  it("answers no check that has waited for another home while it may not", async () => {
    const scene = new Scene(PER_KEY, PER_ORG);
    scene.check(1);
    await scene.quiet();
    expect(scene.answers()).toBe(0);
    scene.mayAnswer = false;
    await scene.tick(300 * US_PER_MS);
    await scene.tick(300 * US_PER_MS);
    expect(scene.answers()).toBe(0);
  });

  it("lets no answer go that was held for the journal while it may not", async () => {
    const scene = new Scene(PER_KEY);
    scene.check(50);
    await scene.quiet();
    expect([scene.answers(), scene.host.actor.heldFor(KEY_SHARD)]).toEqual([0, 1]);
    scene.mayAnswer = false;
    await scene.written();
    expect(scene.answers()).toBe(0);
  });

  it("answers a reset once the journal knows of it, and is not quiet before", async () => {
    const scene = new Scene(PER_KEY);
    let isQuiet = false;
    scene.reset();
    await scene.quiet();
    scene.host.whenQuiet(KEY_SHARD, () => (isQuiet = true));
    expect([scene.sent, isQuiet, scene.host.actor.heldFor(KEY_SHARD)]).toEqual([[], false, 1]);
    await scene.written();
    expect([scene.sent, isQuiet]).toEqual([["_INBOX.operator"], true]);
  });

  it("tells whoever resets a key when the journal does not confirm it", async () => {
    const scene = new Scene(PER_KEY);
    scene.reset();
    await scene.quiet();
    await scene.tick(700 * US_PER_MS);
    expect(scene.sent).toEqual([]);
    await scene.tick(100 * US_PER_MS);
    expect(scene.sent).toEqual(["_INBOX.operator"]);
    expect(scene.texts[0]).toMatch(/PARL_DEADLINE_EXCEEDED.*the key was reset/);
    await scene.written();
    expect(scene.sent).toHaveLength(1);
  });

  it("borrows nothing while it may not answer", async () => {
    const scene = new Scene(PER_KEY, PER_ORG);
    scene.check(1);
    await scene.quiet();
    scene.mayAnswer = false;
    const before = scene.sent.length;
    await scene.tick(100 * US_PER_MS);
    await scene.tick(100 * US_PER_MS);
    expect(scene.sent.slice(before)).toEqual([]);
  });

  it("calls a shard quiet when nothing of it is undone or held", async () => {
    const scene = new Scene(PER_KEY);
    scene.check(50);
    let isQuiet = false;
    scene.host.whenQuiet(KEY_SHARD, () => (isQuiet = true));
    await scene.quiet();
    expect(isQuiet).toBe(false);
    const journal = scene.host.actor.admission.table.journal(KEY_SHARD);
    journal?.takeDue(10_000);
    journal?.acked();
    scene.host.post({ kind: "journal-advanced" });
    await expect.poll(() => isQuiet).toBe(true);
    expect(scene.answers()).toBe(1);
  });
});
