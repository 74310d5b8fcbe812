/**
 * Crashes at any moment: random traffic on one shard, whose owner dies and is replaced again and again while
 * messages of the journal get lost, are stored without an answer, or arrive after their sender's death.
 *
 * - What all owners together have answered is what one limiter that never crashed would have allowed.
 * - A takeover costs each key at most u per crash.
 * - A reset that was answered is undone by none of it.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crashBudget } from "../../admission/durability.ts";
import type { AlgorithmName, AlgorithmParams } from "../../algorithms/algorithm.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S, type Micros } from "../../core/units.ts";
import { JournalledShard, type Answer, type Done, type Reset } from "./journal/journalled-shard.ts";
import { MemoryStream } from "./journal/memory-stream.ts";
import { NOW } from "./journal/record-samples.ts";

const KEYS = 3;
const WINDOW_US = 60 * US_PER_S;

const waits = fc.oneof(
  fc.integer({ min: 0, max: 10_000 }),
  fc.integer({ min: 0, max: US_PER_S }),
  fc.integer({ min: 0, max: 2 * WINDOW_US }),
);
const actions = fc.array(
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        do: fc.constant("decide" as const),
        key: fc.integer({ min: 1, max: KEYS }),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
        times: fc.integer({ min: 1, max: 8 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("reset" as const), key: fc.integer({ min: 1, max: KEYS }) }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), us: waits }) },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("work" as const),
        fates: fc.array(fc.constantFrom("acked", "acked", "acked", "unheard", "lost"), { maxLength: 6 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constantFrom("snapshot" as const, "compact" as const, "late" as const) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("crash" as const), isSettled: fc.boolean() }) },
  ),
  { maxLength: 60, size: "max" },
);
type Action = typeof actions extends fc.Arbitrary<(infer One)[]> ? One : never;

class Region {
  readonly stream = new MemoryStream();
  /** Of owners before. */
  readonly answers: Answer[] = [];
  readonly resets: Reset[] = [];
  /** Everything any owner charged, answered or not, and resets once they are answered. */
  readonly history: ({ readonly key: number; readonly atUs: Micros } & (
    | { readonly cost: number }
    | { readonly isAnswered: () => boolean }
  ))[] = [];
  readonly params: AlgorithmParams;
  nowUs: Micros = NOW;
  epoch = 1;
  crashes = 0;
  owner: JournalledShard;
  /** The owners before, whose messages may still be on their way. */
  readonly dead: JournalledShard[] = [];
  readonly #verdict = new Verdict();

  constructor(params: AlgorithmParams) {
    this.params = params;
    this.owner = new JournalledShard(this.epoch, params, this.stream);
    this.owner.open(this.nowUs);
    this.nowUs = this.owner.settle(this.nowUs);
  }

  run(action: Action): void {
    const { owner } = this;
    switch (action.do) {
      case "decide":
        for (let i = 0; i < action.times; i += 1) {
          const cost = Math.max(1, Math.round(action.share ** 4 * this.params.limit));
          if (owner.decide(action.key, cost, this.nowUs)) {
            this.history.push({ key: action.key, atUs: this.nowUs, cost });
          }
        }
        return;
      case "reset":
        this.reset(action.key);
        return;
      case "wait":
        this.nowUs = micros(this.nowUs + action.us);
        return;
      case "work":
        for (const fate of action.fates) {
          owner.step({ kind: "tick" }, this.nowUs);
          if (fate === "lost") owner.drop(this.nowUs);
          else owner.deliver(fate === "acked", this.nowUs);
          this.nowUs = micros(this.nowUs + 1_000);
        }
        return;
      case "snapshot":
        owner.step({ kind: "snapshot" }, this.nowUs);
        return;
      case "compact":
        owner.step({ kind: "snapshot" }, this.nowUs);
        this.nowUs = owner.settle(this.nowUs);
        return;
      case "late":
        // A dead owner's last message arrives now.
        for (const dead of this.dead) dead.deliver(true, this.nowUs);
        return;
      case "crash":
        this.crash(action.isSettled);
    }
  }

  reset(key: number): void {
    const { owner, nowUs } = this;
    owner.reset(key, nowUs);
    const reset = owner.resets.at(-1) as Reset;
    this.history.push({ key, atUs: nowUs, isAnswered: () => owner.isAnswered(reset) });
  }

  crash(isSettled: boolean): void {
    if (isSettled) this.nowUs = this.owner.settle(this.nowUs);
    this.dead.push(this.owner);
    this.answers.push(...this.owner.answers);
    this.resets.push(...this.owner.resets);
    this.crashes += 1;
    this.nowUs = micros(this.nowUs + 2 * US_PER_S);
    do {
      this.epoch += 1;
      this.owner = new JournalledShard(this.epoch, this.params, this.stream);
      expect(this.owner.open(this.nowUs)).toBe("intact");
      this.checkCost();
      this.nowUs = this.owner.settle(this.nowUs);
    } while (this.owner.isStale);
  }

  /** Against a limiter that saw every charge, every reset that was answered, and no crash. */
  checkCost(): void {
    const { unitsAtTakeover } = crashBudget(this.params);
    const charged = new KeyedLimiter(createAlgorithm(this.params));
    for (const { key, atUs, ...what } of this.history) {
      if ("cost" in what) charged.charge(key, key, what.cost, atUs);
      else if (what.isAnswered()) charged.forget(key, key, atUs);
    }
    for (let key = 1; key <= KEYS; key += 1) {
      charged.evaluate(key, key, 0, this.nowUs, this.#verdict);
      const least = this.#verdict.remaining - this.crashes * unitsAtTakeover;
      this.owner.limiter.evaluate(key, key, 0, this.nowUs, this.#verdict);
      if (this.#verdict.remaining < least) expect.fail(`key ${key}: ${this.#verdict.remaining} < ${least}`);
    }
  }

  /** Replays what was answered, and every reset asked for, in the order of doing. */
  checkAnswers(): void {
    const answers = [...this.answers, ...this.owner.answers];
    const all: (Answer | Done)[] = [...answers, ...this.resets, ...this.owner.resets];
    const reference = new KeyedLimiter(createAlgorithm(this.params));
    for (const one of all.toSorted((a, b) => a.atUs - b.atUs || a.order - b.order)) {
      const { key, atUs } = one;
      if (!("cost" in one)) {
        reference.forget(key, key, atUs);
        continue;
      }
      reference.decide(key, key, one.cost, atUs, this.#verdict);
      if (this.#verdict.outcome !== "allowed") expect.fail(`key ${key} was answered ${one.cost} too much`);
    }
  }
}

function policies(algorithm: AlgorithmName): fc.Arbitrary<AlgorithmParams> {
  return fc.integer({ min: 1, max: 200 }).map((limit) => ({ algorithm, limit, windowUs: micros(WINDOW_US) }));
}

const JOURNALLED: AlgorithmName[] = [
  "gcra",
  "fixed-window",
  "sliding-window",
  "token-bucket",
  "sliding-log",
  "leaky-bucket",
  "conservative-window",
];

/** u is 10 of 200: light below 2.5, due from 5. An hour, so that a crash drains nothing. */
const PARAMS: AlgorithmParams = { algorithm: "gcra", limit: 200, windowUs: micros(60 * WINDOW_US) };
const UNIT_US = PARAMS.windowUs / PARAMS.limit;

describe("a snapshot", () => {
  it.each([
    ["heavy", 0],
    ["between light and heavy", 2],
    ["light", 4],
  ])("that has replaced the journal of a %s key covers what is spent after it", (_, drained) => {
    const region = new Region(PARAMS);
    const spend = (times: number): void => region.run({ do: "decide", key: 1, share: 0, times });
    spend(6);
    region.run({ do: "compact" });
    region.nowUs = micros(region.nowUs + drained * UNIT_US);
    region.run({ do: "compact" });
    expect(region.owner.purges).toBe(2);
    spend(10);
    region.crash(false);
    spend(200);
    region.nowUs = region.owner.settle(region.nowUs);
    region.checkAnswers();
  });
});

describe("a clean end", () => {
  it("costs nothing at all: the next owner has every key as it was", () => {
    const costs = fc.array(fc.record({ key: fc.integer({ min: 1, max: KEYS }), cost: fc.nat({ max: 60 }) }));
    fc.assert(
      fc.property(fc.constantFrom(...JOURNALLED), costs, (algorithm, list) => {
        const region = new Region({ ...PARAMS, algorithm });
        for (const { key, cost } of list) region.owner.decide(key, cost, region.nowUs);
        region.owner.step({ kind: "close" }, region.nowUs);
        region.nowUs = region.owner.settle(region.nowUs);
        expect(region.owner.isClosed).toBe(true);
        const next = new JournalledShard(2, region.owner.params, region.stream);
        expect(next.open(region.nowUs)).toBe("clean");
        for (let key = 1; key <= KEYS; key += 1) {
          expect(next.used(key, key, region.nowUs)).toBe(region.owner.used(key, key, region.nowUs));
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("a damaged journal", () => {
  it("starts its successor exhausted, and the one after that too", () => {
    const region = new Region(PARAMS);
    region.owner.decide(1, 100, region.nowUs);
    region.nowUs = region.owner.settle(region.nowUs);
    region.stream.put(new Uint8Array(100));
    for (const [epoch, state] of [
      [2, "damaged"],
      [3, "intact"],
    ] as const) {
      const next = new JournalledShard(epoch, PARAMS, region.stream);
      expect(next.open(region.nowUs)).toBe(state);
      for (const key of [1, 2, 99]) expect(next.decide(key, 1, region.nowUs)).toBe(false);
      region.nowUs = next.settle(region.nowUs);
    }
  });
});

describe.each(JOURNALLED)("a journalled %s", (algorithm) => {
  it("admits nothing twice over any number of crashes, and loses at most u a key and crash", () => {
    fc.assert(
      fc.property(policies(algorithm), actions, (params, list) => {
        const region = new Region(params);
        for (const action of list) region.run(action);
        region.crash(false);
        for (let key = 1; key <= KEYS; key += 1) {
          for (let i = 0; i < 50; i += 1) region.owner.decide(key, 1, region.nowUs);
        }
        region.nowUs = region.owner.settle(region.nowUs);
        expect(region.owner.heldCount).toBe(0);
        region.checkAnswers();
      }),
      { numRuns: 300 },
    );
  });
});
