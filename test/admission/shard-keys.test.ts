import { describe, expect, it } from "vitest";
import { compilePolicies, type PolicySet } from "../../admission/policy-set.ts";
import type { Policy } from "../../admission/policy.ts";
import { ShardKeys } from "../../admission/shard-keys.ts";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { StatePageWriter } from "../../algorithms/state-page.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { Verdict } from "../../core/decision.ts";
import { micros } from "../../core/units.ts";
import { NOW_US, policiesOf } from "../actors/lone-shard-actor.ts";

const now = micros(NOW_US);

describe("ShardKeys", () => {
  it("gives back all memory of a policy that is gone", () => {
    const budget = new MemoryBudget(Infinity);
    const one = policiesOf("name: a, dimension: key, algorithm: gcra, limit: 5, window: 1s");
    const keys = new ShardKeys(0, 0, compilePolicies(one, 1), budget);
    const verdict = new Verdict();
    for (let key = 1; key <= 100; key += 1) keys.limiter(0).decide(key, 0, 1, now, verdict);
    keys.adopt(compilePolicies(policiesOf(), 2), now);
    expect(keys.usage()).toMatchObject({ keys: 0, bytes: 0 });
    expect(budget.bytesUsed).toBe(0);
  });

  it("keeps every debt when the new policies turn out to be impossible", () => {
    const sound = policiesOf(
      "name: a, dimension: key, algorithm: gcra, limit: 5, window: 1d",
      "name: b, dimension: key, algorithm: gcra, limit: 1, window: 1d",
    );
    const [a, b] = sound.policies as [Policy, Policy];
    const broken = { ...sound, policies: [b, { ...a, burst: 2 ** 31 - 1 }] };
    const keys = new ShardKeys(0, 0, compilePolicies(sound, 1), new MemoryBudget(Infinity));
    const verdict = new Verdict();
    keys.limiter(0).decide(1, 0, 5, now, verdict);
    expect(() => keys.adopt(compilePolicies(broken, 2), now)).toThrow("burst");
    expect(() => keys.adopt(compilePolicies(broken, 2), now)).toThrow("burst");
    keys.adopt(compilePolicies(sound, 3), now);
    keys.limiter(0).evaluate(1, 0, 1, now, verdict);
    expect(verdict.outcome).toBe("denied");
  });

  it("lets nobody decide by numbers that came along, once its own are in force", () => {
    const [theirs, ours] = [5, 3].map((limit) =>
      compilePolicies(policiesOf(`name: a, dimension: key, algorithm: gcra, limit: ${limit}, window: 1d`), 1),
    ) as [PolicySet, PolicySet];
    const giver = new ShardKeys(0, 0, theirs, new MemoryBudget(Infinity));
    const verdict = new Verdict();
    giver.limiter(0).decide(9, 9, 1, now, verdict);
    const taker = new ShardKeys(0, 0, ours, new MemoryBudget(Infinity));
    expect(adoptAll(taker, pagesOf(giver))).toBe(1);
    expect(taker.revision).toBe(-1);
    taker.adopt(ours, now);
    expect(taker.revision).toBe(1);
    taker.limiter(0).evaluate(9, 9, 0, now, verdict);
    expect(verdict).toMatchObject({ limit: 3, remaining: 2 });
  });

  it("drops and counts pages of policies it does not have", () => {
    const giver = shardOf("name: gone, dimension: key, algorithm: gcra, limit: 5, window: 1d");
    const verdict = new Verdict();
    for (let key = 1; key <= 3; key += 1) giver.limiter(0).decide(key, 0, 1, now, verdict);
    const taker = shardOf("name: a, dimension: key, algorithm: gcra, limit: 5, window: 1d");
    expect(adoptAll(taker, pagesOf(giver))).toBe(0);
    expect(taker).toMatchObject({ droppedEntries: 3, revision: 1 });
    expect(taker.usage().keys).toBe(0);
  });

  it("writes every dirty key once, those that are charged all the time among the others", () => {
    const keys = shardOf(
      "name: a, dimension: key, algorithm: gcra, limit: 500, window: 1d",
      "name: b, dimension: key, algorithm: fixed-window, limit: 500, window: 1d",
    );
    const charge = (key: number): void => {
      for (const index of [0, 1]) keys.limiter(index).charge(key * 1_000_003, 1, 1, now);
    };
    charge(0);
    keys.startTracking();
    for (let key = 0; key < 100; key += 1) for (let time = 0; time < 3; time += 1) charge(key);
    expect(keys.dirtyKeys).toBe(200);
    const page = new StatePageWriter({ bytes: 200 });
    const reader = new StatePageReader();
    let written = 0;
    let pages = 0;
    for (; keys.dirtyKeys > 2; pages += 1) {
      expect(keys.writeDirtyPage(page)).toBe(true);
      reader.open(page.finish());
      written += reader.count;
      charge(5);
    }
    expect(written).toBeLessThan(200 + 2 * pages);
    while (keys.writeDirtyPage(page));
    expect([keys.dirtyKeys, keys.writeDirtyPage(page), page.count]).toEqual([0, false, 0]);
    keys.stopTracking();
    charge(7);
    expect(keys.dirtyKeys).toBe(0);
  });

  it("passes on that a key was forgotten", () => {
    const line = "name: a, dimension: key, algorithm: sliding-log, limit: 5, window: 1d";
    const [giver, taker] = [shardOf(line), shardOf(line)];
    giver.startTracking();
    for (const key of [3, 4]) giver.limiter(0).charge(key, key, 5, now);
    adoptAll(taker, pagesOf(giver));
    for (const key of [3, 9]) giver.forget(0, key, key, now);
    const page = new StatePageWriter();
    expect(giver.writeDirtyPage(page)).toBe(true);
    adoptAll(taker, [page.finish()]);
    const verdict = new Verdict();
    const left = [3, 4].map((key) => {
      taker.limiter(0).evaluate(key, key, 0, now, verdict);
      return verdict.remaining;
    });
    expect(left).toEqual([5, 0]);
  });

  it("starts a walk again that other policies have overtaken", () => {
    const [a, b] = ["a", "b"].map(
      (name) => `name: ${name}, dimension: key, algorithm: gcra, limit: 5, window: 1d`,
    );
    const keys = shardOf(a!, b!);
    for (const index of [0, 1]) keys.limiter(index).charge(7 + index, 8, 1, now);
    const page = new StatePageWriter();
    const walk = keys.newWalk();
    keys.writePage(walk, page);
    keys.adopt(compilePolicies(policiesOf(b!, a!), 2), now);
    const policies: string[] = [];
    const reader = new StatePageReader();
    while (!walk.isDone) {
      keys.writePage(walk, page);
      reader.open(page.finish());
      policies.push(reader.policy);
    }
    expect(policies).toEqual(["b", "a"]);
  });

  it("leaves a dirty key out that is gone", () => {
    const keys = shardOf("name: a, dimension: key, algorithm: gcra, limit: 5, window: 1s");
    keys.startTracking();
    keys.limiter(0).charge(3, 3, 5, now);
    keys.limiter(0).sweep(micros(now + 2_000_000), Infinity);
    const page = new StatePageWriter();
    expect([keys.writeDirtyPage(page), page.count, keys.dirtyKeys]).toEqual([true, 0, 0]);
  });

  it.each(ALGORITHMS)(
    "charges what was reserved of a key of %s at the takeover, to it alone",
    (algorithm) => {
      const line = `name: a, dimension: org, algorithm: ${algorithm}, limit: 100, window: 20s`;
      const giver = shardOf(line);
      const taker = shardOf(line);
      giver.limiter(0).charge(1, 1, 10, now);
      adoptAll(taker, [reserving(giver, [1, 1, 40], [2, 2, 30], [3, 3, 20])]);
      // The last word counts; a page that says nothing of reservations takes none away.
      adoptAll(taker, [reserving(giver, [3, 3, 0])]);
      adoptAll(taker, pagesOf(giver));
      const laterUs = micros(now + 15_000_000);
      const left = (key: number): number => {
        const verdict = new Verdict();
        taker.limiter(0).evaluate(key, key, 0, laterUs, verdict);
        return verdict.remaining;
      };
      taker.recover(laterUs, () => 5);
      const [first, second, third, fourth] = [1, 2, 3, 4].map(left);
      expect([second, third, fourth]).toEqual([65, 95, 95]);
      // Its ten units were charged earlier, and have drained as far as they do.
      expect(first).toBeGreaterThanOrEqual(45);
      expect(first).toBeLessThanOrEqual(55);
      taker.recover(laterUs, () => 5);
      expect([1, 2, 3, 4].map(left)).toEqual([first! - 5, 60, 90, 90]);
    },
  );

  it("passes on what keys never seen owe, though no key was seen", () => {
    const lines = ["gcra", "sliding-log"].map(
      (algorithm) => `name: ${algorithm}, dimension: key, algorithm: ${algorithm}, limit: 10, window: 1d`,
    );
    const giver = shardOf(...lines);
    giver.recover(now, ({ name }) => (name === "gcra" ? 4 : 6));
    const taker = shardOf(...lines);
    adoptAll(taker, pagesOf(giver));
    const verdict = new Verdict();
    const left = [0, 1].map((index) => {
      taker.limiter(index).evaluate(1_234, 5, 0, now, verdict);
      return verdict.remaining;
    });
    expect(left).toEqual([6, 4]);
  });
});

function shardOf(...lines: string[]): ShardKeys {
  return new ShardKeys(0, 0, compilePolicies(policiesOf(...lines), 1), new MemoryBudget(Infinity));
}

function pagesOf(keys: ShardKeys): Uint8Array[] {
  const page = new StatePageWriter();
  const pages: Uint8Array[] = [];
  for (const walk = keys.newWalk(); !walk.isDone;) {
    keys.writePage(walk, page);
    if (page.count > 0) pages.push(page.finish());
  }
  return pages;
}

/** A page of some keys, and what is reserved of each. */
function reserving(keys: ShardKeys, ...entries: [high: number, low: number, reserved: number][]): Uint8Array {
  const page = new StatePageWriter();
  keys.beginPage(0, page, "reserved");
  for (const [high, low, reserved] of entries) keys.writeKey(0, high, low, page, reserved);
  return page.finish();
}

/** How many keys got a place of their own. */
function adoptAll(keys: ShardKeys, pages: readonly Uint8Array[]): number {
  const reader = new StatePageReader();
  let adopted = 0;
  for (const page of pages) {
    reader.open(page);
    adopted += keys.adoptPage(reader, now);
  }
  return adopted;
}
