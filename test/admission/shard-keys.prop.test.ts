import * as fc from "fast-check";
import { expect, it } from "vitest";
import { compilePolicies, type PolicySet } from "../../admission/policy-set.ts";
import type { Policy } from "../../admission/policy.ts";
import { ShardKeys } from "../../admission/shard-keys.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { StatePageWriter } from "../../algorithms/state-page.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { verdictLine } from "../algorithms/named-limiter.ts";
import { NOW_US, policiesOf } from "../actors/lone-shard-actor.ts";

/** Reloads that retune, reorder, drop, add and change what cannot be carried over. */
const SETS = [
  ["name: a, dimension: key, algorithm: gcra, limit: 50, window: 1m", LOG(9), FIXED("1h")],
  ["name: a, dimension: key, algorithm: gcra, limit: 20, window: 1m", LOG(9), FIXED("1h")],
  [LOG(20), "name: a, dimension: key, algorithm: gcra, limit: 20, window: 1m"],
  [FIXED("2h"), LOG(3), "name: new, dimension: key, algorithm: token-bucket, limit: 4, window: 1h"],
].map((lines) => policiesOf(...lines));

function LOG(limit: number): string {
  return `name: log, dimension: key, algorithm: sliding-log, limit: ${limit}, window: 1m`;
}

function FIXED(window: string): string {
  return `name: fixed, dimension: key, algorithm: fixed-window, limit: 7, window: ${window}`;
}

function setOf(index: number, revision: number): PolicySet {
  return compilePolicies(SETS[index % SETS.length]!, revision);
}

interface Step {
  readonly kind: "check" | "page" | "dirty" | "reload" | "sweep" | "forget";
  readonly key: number;
  readonly cost: number;
  readonly gapUs: number;
}

const steps = (kinds: readonly Step["kind"][], maxLength: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      kind: fc.constantFrom(...kinds),
      key: fc.nat({ max: 30 }),
      cost: fc.integer({ min: 1, max: 4 }),
      gapUs: fc.constantFrom(0, 1, 1_000, 3 * US_PER_S),
    }),
    { maxLength, size: "max" },
  );

function step(kind: Step["kind"], key = 0, cost = 1, gapUs = 0): Step {
  return { kind, key, cost, gapUs };
}

/** A shard and the policies in force where it is; every policy looks at every key. */
class Shard {
  readonly budget = new MemoryBudget(Infinity);
  readonly keys: ShardKeys;
  policies: PolicySet;
  readonly #verdict = new Verdict();

  constructor(policies: PolicySet) {
    this.policies = policies;
    this.keys = new ShardKeys(3, 0.3, policies, this.budget);
  }

  /** What each policy answers, by name. */
  check(key: number, cost: number, nowUs: number): string[] {
    if (this.keys.revision !== this.policies.revision) this.keys.adopt(this.policies, micros(nowUs));
    return this.policies.policies
      .map(({ name }, index) => {
        this.keys.limiter(index).decide((key * 99_999_989) | 0, key % 3, cost, micros(nowUs), this.#verdict);
        return `${name}: ${verdictLine(this.#verdict)}`;
      })
      .toSorted();
  }

  forget(key: number, nowUs: number): void {
    for (const index of this.policies.policies.keys()) {
      this.keys.forget(index, (key * 99_999_989) | 0, key % 3, micros(nowUs));
    }
  }
}

/** Names of policies whose keys start afresh under other policies. */
function forgotten(before: PolicySet, after: PolicySet): string[] {
  const isKept = (policy: Policy): boolean =>
    after.policies.some(({ name, windowUs }) => name === policy.name && windowUs === policy.windowUs);
  return before.policies.filter((policy) => !isKept(policy)).map(({ name }) => name);
}

it("moves a shard while it goes on deciding and its policies change", () => {
  fc.assert(
    fc.property(
      steps(["check"], 60),
      steps(["check", "check", "page", "page", "dirty", "reload", "sweep", "forget"], 60),
      steps(["check"], 30),
      fc.constantFrom(1, 200, 2 ** 18),
      fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 })),
      (before, during, afterwards, bytes, [first, spare]) => {
        const giver = new Shard(setOf(first, 1));
        const taker = new Shard(setOf(spare, 77));
        // What the taker did not have when the first page came was dropped.
        const known = new Set(taker.policies.policies.map(({ name }) => name));
        const isKnown = (line: string): boolean => known.has(line.split(":")[0] as string);
        const page = new StatePageWriter({ bytes });
        const reader = new StatePageReader();
        let nowUs = NOW_US;
        const send = (): void => {
          if (page.count === 0) return;
          reader.open(page.finish());
          taker.keys.adoptPage(reader, micros(nowUs));
        };
        for (const { key, cost, gapUs } of before) giver.check(key, cost, (nowUs += gapUs));
        giver.keys.startTracking();
        const walk = giver.keys.newWalk();
        for (const { kind, key, cost, gapUs } of during) {
          nowUs += gapUs;
          if (kind === "check") giver.check(key, cost, nowUs);
          else if (kind === "sweep") giver.keys.sweep(micros(nowUs));
          else if (kind === "forget") giver.forget(key, nowUs);
          else if (kind === "reload") {
            const next = setOf(key, giver.policies.revision + 1);
            // Keys that the giver has forgotten may still be remembered elsewhere.
            for (const gone of forgotten(giver.policies, next)) known.delete(gone);
            giver.policies = next;
            giver.keys.adopt(giver.policies, micros(nowUs));
          } else {
            if (kind === "page") giver.keys.writePage(walk, page);
            else giver.keys.writeDirtyPage(page);
            send();
          }
        }
        for (; !walk.isDone; send()) giver.keys.writePage(walk, page);
        while (giver.keys.writeDirtyPage(page)) send();
        expect(giver.keys.dirtyKeys).toBe(0);
        giver.keys.stopTracking();
        // The taker has the same policies by now, whatever it had when the first page came.
        taker.policies = compilePolicies({ policies: giver.policies.policies, plans: new Map() }, 99);
        taker.keys.adopt(taker.policies, micros(nowUs));
        for (const { key, cost, gapUs } of afterwards) {
          nowUs += gapUs;
          expect(taker.check(key, cost, nowUs).filter(isKnown)).toEqual(
            giver.check(key, cost, nowUs).filter(isKnown),
          );
        }
        for (const shard of [giver, taker]) {
          while (!shard.keys.dispose(4)) expect(shard.budget.bytesUsed).toBeGreaterThan(0);
          expect(shard.budget.bytesUsed).toBe(0);
        }
      },
    ),
    {
      numRuns: 400,
      examples: [
        // A key that drains faster under the next limit than pages under the one before say.
        [
          [],
          [
            step("reload", 1),
            step("check", 11, 3),
            step("dirty"),
            step("reload", 0),
            step("check", 0, 1, 3 * US_PER_S),
            step("check", 0, 1, 3 * US_PER_S),
            step("reload", 2),
            step("sweep"),
          ],
          [step("check", 11)],
          1,
          [0, 0],
        ],
      ],
    },
  );
});

it("recovers no more than a journal that missed the last units of every key allows", () => {
  fc.assert(
    fc.property(
      steps(["check"], 80),
      steps(["check"], 60),
      fc.nat({ max: 80 }),
      (before, afterwards, written) => {
        const lost = new Shard(setOf(0, 1));
        const recovered = new Shard(setOf(0, 1));
        const page = new StatePageWriter();
        const reader = new StatePageReader();
        const spent = new Map<number, number>();
        let nowUs = NOW_US;
        let pages: Uint8Array[] = [];
        for (const [index, { key, cost, gapUs }] of before.entries()) {
          lost.check(key, cost, (nowUs += gapUs));
          spent.set(key, (spent.get(key) ?? 0) + cost);
          if (index !== written) continue;
          pages = [];
          spent.clear();
          for (const walk = lost.keys.newWalk(); !walk.isDone;) {
            lost.keys.writePage(walk, page);
            if (page.count > 0) pages.push(page.finish());
          }
        }
        const unitsMax = Math.max(0, ...spent.values());
        for (const each of pages) {
          reader.open(each);
          recovered.keys.adoptPage(reader, reader.nowUs);
        }
        recovered.keys.recover(micros(nowUs), () => unitsMax);
        const left = (shard: Shard, key: number): number[] =>
          shard.policies.policies.map((_: Policy, index) => {
            const verdict = new Verdict();
            shard.keys.limiter(index).evaluate((key * 99_999_989) | 0, key % 3, 0, micros(nowUs), verdict);
            return verdict.remaining;
          });
        for (const { key, gapUs } of afterwards) {
          nowUs += gapUs;
          const there = left(lost, key);
          for (const [index, here] of left(recovered, key).entries()) {
            expect(here).toBeLessThanOrEqual(there[index] as number);
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});
