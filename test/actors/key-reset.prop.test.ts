/**
 * Resets while a shard is journalled, handed over and lost, all at any moment: the real actors of one shard, one
 * after the other, and what each of them tells.
 *
 *      check, reset ─▶ owner ─▶ pages ─▶ taker      (any page may be the last thing before a reset)
 *                        └────▶ journal ─▶ crash ─▶ successor
 *
 * - What was told since the last reset was asked for, and what the key still has, never exceed the limit.
 * - After a reset that was answered a key has lost no more than was charged since, and u a crash.
 * - A shard that was handed over has every key as it was.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { forgetSubject } from "../../actors/key-reset.ts";
import { ShardActor } from "../../actors/shard-actor.ts";
import type { ShardEvent } from "../../actors/shard-event.ts";
import { eventOf } from "../../actors/subjects.ts";
import { travellingKeys } from "../../actors/travelling-keys.ts";
import { takeoverUnits } from "../../admission/durability.ts";
import type { JournalledKeys } from "../../admission/journalled-keys.ts";
import type { Policy, PolicyDocument } from "../../admission/policy.ts";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { micros, US_PER_MS, type Micros } from "../../core/units.ts";
import { IDLE_PROCESS } from "./idle-process.ts";
import { NOW_US, policiesOf } from "./lone-shard-actor.ts";

const LIMIT = 100;
const KEYS = ["k1", "k2", "k3"] as const;
const PAGE_BYTES = 150;

type Action =
  | { readonly do: "check"; readonly key: number; readonly cost: number }
  | { readonly do: "reset"; readonly key: number }
  | { readonly do: "write"; readonly bytes: number; readonly fate: "acked" | "unheard" | "lost" }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "snapshot" | "travel" | "arrive" | "restart" | "crash" };

const key = fc.nat(KEYS.length - 1);
const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    {
      arbitrary: fc.record({
        do: fc.constant("check" as const),
        key,
        cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: LIMIT })),
      }),
      weight: 10,
    },
    { arbitrary: fc.record({ do: fc.constant("reset" as const), key }), weight: 3 },
    {
      arbitrary: fc.record({
        do: fc.constant("write" as const),
        bytes: fc.constantFrom(40, 150, 4_000),
        fate: fc.constantFrom("acked" as const, "acked" as const, "unheard" as const, "lost" as const),
      }),
      weight: 6,
    },
    {
      arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(0, 10, 300) }),
      weight: 2,
    },
    { arbitrary: fc.record({ do: fc.constant("travel" as const) }), weight: 8 },
    {
      arbitrary: fc.record({
        do: fc.constantFrom(
          "snapshot" as const,
          "arrive" as const,
          "arrive" as const,
          "restart" as const,
          "crash" as const,
        ),
      }),
      weight: 2,
    },
  ),
  { maxLength: 60, size: "max" },
);

/** What is known of one key. */
class Story {
  /** Units told to be allowed, of those charged since the last reset was asked for. */
  told = 0;
  resets = 0;
  charged = 0;
  /** Charged when the last reset was asked for that was answered. */
  chargedBefore = 0;
}

class Shard {
  readonly stories = KEYS.map(() => new Story());
  crashes = 0;
  answeredResets = 0;
  readonly #policies: PolicyDocument;
  readonly #policy: Policy;
  #owner: ShardActor;
  #taker: ShardActor | undefined;
  #journey: ReturnType<typeof travellingKeys> | undefined;
  #nowUs = NOW_US;
  #epoch = 1;
  /** What the journal holds, and where in it the running snapshot began. */
  #pages: Uint8Array[] = [];
  #snapshotFrom: number | undefined;
  #asked = 0;
  /** What to do with the answer, by where it is sent. */
  readonly #waiting = new Map<string, (answer: Record<string, unknown>) => void>();

  constructor(policies: PolicyDocument) {
    this.#policies = policies;
    this.#policy = policies.policies[0] as Policy;
    this.#owner = this.#newActor();
    this.#step(this.#owner, { kind: "shard-opened", shard: 0, epoch: 1, isJournalled: true });
  }

  run(action: Action): void {
    switch (action.do) {
      case "check":
        this.#check(action.key, action.cost);
        return;
      case "reset":
        this.#reset(action.key);
        return;
      case "write":
        this.#write(action.bytes, action.fate);
        return;
      case "pass":
        this.#nowUs += action.ms * US_PER_MS;
        this.#step(this.#owner, { kind: "tick" });
        return;
      case "snapshot":
        this.#journal?.startSnapshot(false);
        this.#snapshotFrom = this.#pages.length;
        return;
      case "travel":
        this.#travel();
        return;
      case "arrive":
        this.#arrive();
        return;
      case "restart":
        // Everything is written before the owner leaves, and nothing is charged for it.
        this.#settle();
        this.#writeAll();
        this.#succeed();
        return;
      case "crash":
        this.crashes += 1;
        this.#succeed(micros(this.#nowUs));
        // The opening says it to whoever comes after.
        this.#writeAll();
    }
  }

  /** What a key has left, in so many words of its owner. */
  left(index: number, actor = this.#owner): number {
    let left = -1;
    const subject = `parl.shard.0.check.acme.${KEYS[index]}`;
    this.#ask(actor, subject, { tokens: 0 }, ({ remaining }) => (left = remaining as number));
    return left;
  }

  check(): void {
    const u = takeoverUnits(this.#policy, 1);
    for (const [index, { told, charged, chargedBefore }] of this.stories.entries()) {
      const left = this.left(index);
      // A policy may let every crash hand the limit out once more.
      const most = this.#policy.onCrash === "fresh" ? LIMIT * (1 + this.crashes) : LIMIT;
      if (told + left > most) expect.fail(`${KEYS[index]}: ${told} told and ${left} left`);
      const least = LIMIT - (charged - chargedBefore) - this.crashes * u;
      if (left < least) expect.fail(`${KEYS[index]}: ${left} left, at least ${least} were to be`);
    }
  }

  get #journal(): JournalledKeys | undefined {
    return this.#owner.admission.table.journalToWrite(0, micros(this.#nowUs));
  }

  #newActor(): ShardActor {
    this.#epoch += 1;
    return new ShardActor({
      region: "eu",
      self: { member: `eu-${this.#epoch}`, incarnation: 1 },
      shards: 1,
      secret: { high: 1, low: 2 },
      policies: this.#policies,
      budget: new MemoryBudget(Infinity),
      facts: () => IDLE_PROCESS,
      startedUs: micros(this.#nowUs),
    });
  }

  #step(actor: ShardActor, event: ShardEvent): void {
    actor.step(event, micros(this.#nowUs), {
      reply: (to, payload) => {
        const then = this.#waiting.get(to);
        this.#waiting.delete(to);
        then?.(JSON.parse(new TextDecoder().decode(payload)) as Record<string, unknown>);
      },
      send: (subject) => expect.fail(`${subject} was sent`),
    });
  }

  #ask(
    actor: ShardActor,
    subject: string,
    body: unknown,
    then: (answer: Record<string, unknown>) => void,
  ): void {
    this.#asked += 1;
    const replyTo = `_INBOX.${this.#asked}`;
    this.#waiting.set(replyTo, then);
    this.#step(actor, eventOf(subject, new TextEncoder().encode(JSON.stringify(body)), replyTo));
  }

  #check(index: number, tokens: number): void {
    const story = this.stories[index] as Story;
    const before = this.left(index);
    const { resets } = story;
    this.#ask(this.#owner, `parl.shard.0.check.acme.${KEYS[index]}`, { tokens }, ({ allowed }) => {
      if (allowed === true && story.resets === resets) story.told += tokens;
    });
    story.charged += before - this.left(index);
  }

  #reset(index: number): void {
    const story = this.stories[index] as Story;
    const { charged } = story;
    story.resets += 1;
    story.told = 0;
    const body = { user: "", policies: [this.#policy.name] };
    this.#ask(this.#owner, forgetSubject(0, "acme", KEYS[index] as string), body, ({ resets }) => {
      if (resets === undefined) return;
      this.answeredResets += 1;
      story.chargedBefore = Math.max(story.chargedBefore, charged);
    });
  }

  /** One message of the journal, a page of the snapshot among what is due. */
  #write(bytes: number, fate: "acked" | "unheard" | "lost"): void {
    const journal = this.#journal;
    if (journal === undefined) return;
    const isSnapshot = this.#snapshotFrom !== undefined;
    const snapshot = isSnapshot ? journal.nextSnapshotPages(bytes) : [];
    const pages = [...(snapshot ?? []), ...journal.takeDue(bytes)];
    if (fate !== "lost") this.#pages.push(...pages);
    if (fate !== "acked") {
      // What is told is sent again in the end; whoever comes next reads what was stored.
      journal.lost();
      this.#snapshotFrom = undefined;
      return;
    }
    journal.acked();
    if (isSnapshot && snapshot === undefined) {
      this.#pages = this.#pages.slice(this.#snapshotFrom);
      this.#snapshotFrom = undefined;
    }
    this.#step(this.#owner, { kind: "journal-advanced" });
  }

  /** The next page on its way to another process. */
  #travel(): void {
    const taker = (this.#taker ??= this.#newActor());
    if (this.#journey === undefined) {
      const keys = this.#owner.admission.table.keys(0);
      if (keys === undefined) return;
      this.#journey = travellingKeys(keys, () => micros(this.#nowUs));
      this.#journey.start();
    }
    const page = this.#journey.nextPage(PAGE_BYTES) ?? this.#journey.nextDirtyPage(PAGE_BYTES);
    if (page !== undefined) this.#step(taker, { kind: "shard-page", shard: 0, page, isJustWritten: true });
  }

  /** The rest of the handoff. */
  #arrive(): void {
    this.#settle();
    this.#travel();
    const taker = this.#taker as ShardActor;
    const giver = this.#owner;
    const before = KEYS.map((_, index) => this.left(index));
    giver.owned.freeze(0);
    const journey = this.#journey as ReturnType<typeof travellingKeys>;
    for (;;) {
      const page = journey.nextPage(PAGE_BYTES) ?? journey.nextDirtyPage(PAGE_BYTES);
      if (page === undefined) break;
      this.#step(taker, { kind: "shard-page", shard: 0, page });
    }
    journey.stop();
    const told = { answeredIds: giver.owned.answeredIds(0), loans: giver.owned.loans(0) };
    this.#step(giver, { kind: "shard-closed", shard: 0 });
    this.#step(taker, { kind: "shard-opened", shard: 0, epoch: this.#epoch, isJournalled: true, ...told });
    this.#become(taker);
    expect(KEYS.map((_, index) => this.left(index))).toEqual(before);
  }

  /** Another process goes on from the journal. @param takeoverUs when the owner before is found to be dead */
  #succeed(takeoverUs?: Micros): void {
    const heir = this.#newActor();
    for (const page of this.#pages) this.#step(heir, { kind: "shard-page", shard: 0, page });
    if (takeoverUs !== undefined) {
      this.#step(heir, { kind: "shard-takeover", shard: 0, atUs: takeoverUs, times: 1 });
    }
    const opened = { shard: 0, epoch: this.#epoch, isJournalled: true, isRecovered: true } as const;
    this.#step(heir, { kind: "shard-opened", ...opened });
    this.#become(heir);
  }

  #writeAll(): void {
    this.#pages = [];
    const journal = this.#journal;
    journal?.startSnapshot(true);
    for (let next = journal?.nextSnapshotPages(4_000); next !== undefined;) {
      this.#pages.push(...next);
      next = journal?.nextSnapshotPages(4_000);
    }
  }

  /** Whatever is owed is answered. */
  #settle(): void {
    while (this.#owner.heldFor(0) > 0) this.#write(4_000, "acked");
  }

  #become(actor: ShardActor): void {
    this.#owner = actor;
    this.#taker = undefined;
    this.#journey = undefined;
    this.#snapshotFrom = undefined;
  }
}

function shardOf(line: string): Shard {
  return new Shard(policiesOf(`name: main, dimension: key, limit: ${LIMIT}, ${line}`));
}

/** Windows so long that nothing drains. */
const LINES = [
  ...ALGORITHMS.map((name) => `algorithm: ${name}, window: 1d`),
  "algorithm: gcra, window: 1d, onCrash: fresh",
];

describe.each(LINES)("a reset of a key under %s", (line) => {
  it("is undone by no crash once it is answered, nor by a handoff, at whatever step", () => {
    let answered = 0;
    fc.assert(
      fc.property(actions, (list) => {
        const shard = shardOf(line);
        for (const action of list) {
          shard.run(action);
          shard.check();
        }
        answered += shard.answeredResets;
      }),
      { numRuns: 150 },
    );
    expect(answered).toBeGreaterThan(50);
  });
});
