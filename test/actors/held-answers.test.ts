import { describe, expect, it } from "vitest";
import { HeldAnswers, type Patience } from "../../actors/held-answers.ts";
import { RESET_PATIENCE } from "../../actors/key-reset.ts";
import type { JournalHold } from "../../admission/journalled-keys.ts";
import { HeavyKeys } from "../../admission/heavy-keys.ts";
import { micros, US_PER_MS } from "../../core/units.ts";

const U = 4;
const PATIENCE_US = 250 * US_PER_MS;

/** Keys of one policy, of which some have been spent faster than the journal was written. */
class Spender {
  readonly heavyKeys = new HeavyKeys({ unjournalledMax: U, idleAfterUs: 1_000_000 });
  readonly #used = new Map<number, number>();

  spend(key: number, cost: number): JournalHold {
    const used = (this.#used.get(key) ?? 0) + cost;
    this.#used.set(key, used);
    const position = this.heavyKeys.charged(key, 0, cost, used, micros(0));
    expect(position).toBeGreaterThan(0);
    return { heavyKeys: this.heavyKeys, position };
  }

  write(): void {
    this.heavyKeys.take(() => true);
    this.heavyKeys.acked();
  }
}

function desk() {
  const held = new HeldAnswers();
  const replies: string[] = [];
  const failures: string[] = [];
  const add = (
    shard: number,
    to: string,
    holds: readonly JournalHold[],
    nowUs = 0,
    patience?: Patience,
  ): void => {
    const answer = { shard, replyTo: to, payload: new TextEncoder().encode(`to ${to}`), holds };
    held.add(patience === undefined ? answer : { ...answer, patience }, micros(nowUs));
  };
  const release = (nowUs = 0): void =>
    held.release(
      micros(nowUs),
      (to, payload) => {
        expect(new TextDecoder().decode(payload)).toBe(`to ${to}`);
        replies.push(to);
      },
      (to, error) => failures.push(`${to} ${error.code} ${error.field}`),
    );
  return { held, replies, failures, add, release };
}

describe("held answers", () => {
  it("go out in the order of decision, once the journal knows", () => {
    const { held, replies, add, release } = desk();
    const spender = new Spender();
    for (const key of [1, 2, 3]) add(7, `r${key}`, [spender.spend(key, U + 1)]);
    release();
    expect([replies, held.length, held.heldTotal]).toEqual([[], 3, 3]);
    spender.write();
    release();
    release();
    expect([replies, held.length]).toEqual([["r1", "r2", "r3"], 0]);
  });

  it("go out before older ones that wait for another key", () => {
    const { held, replies, add, release } = desk();
    const [fast, slow] = [new Spender(), new Spender()];
    add(7, "slow", [slow.spend(1, U + 1)]);
    add(7, "fast", [fast.spend(1, U + 1)]);
    fast.write();
    release();
    expect([replies, held.length]).toEqual([["fast"], 1]);
  });

  it("wait for all that they were charged to", () => {
    const { replies, add, release } = desk();
    const [one, other] = [new Spender(), new Spender()];
    add(7, "both", [one.spend(1, U + 1), other.spend(1, U + 1)]);
    one.write();
    release();
    expect(replies).toEqual([]);
    other.write();
    release();
    expect(replies).toEqual(["both"]);
  });

  it("do not wait for what was spent after them", () => {
    const { held, replies, add, release } = desk();
    const spender = new Spender();
    add(7, "first", [spender.spend(1, U + 1)]);
    spender.heavyKeys.take(() => true);
    add(7, "second", [spender.spend(1, U + 1)]);
    spender.heavyKeys.acked();
    release();
    expect([replies, held.length]).toEqual([["first"], 1]);
  });

  it("are given up when the journal keeps silent, not a moment earlier", () => {
    const { held, replies, failures, add, release } = desk();
    const spender = new Spender();
    add(7, "old", [spender.spend(1, U + 1)], 1_000);
    add(7, "young", [spender.spend(2, U + 1)], 2_000);
    release(1_000 + PATIENCE_US - 1);
    expect(failures).toEqual([]);
    release(1_000 + PATIENCE_US);
    expect(failures).toEqual(["old PARL_DEADLINE_EXCEEDED journal"]);
    expect([replies, held.length, held.expiredTotal]).toEqual([[], 1, 1]);
    spender.write();
    release(10 * PATIENCE_US);
    expect([replies, failures.length]).toEqual([["young"], 1]);
  });

  it("of a reset are given up later, in words of their own", () => {
    const { failures, add, release } = desk();
    add(7, "reset", [new Spender().spend(1, U + 1)], 0, RESET_PATIENCE);
    release(RESET_PATIENCE.heldMaxUs - 1);
    expect(failures).toEqual([]);
    release(RESET_PATIENCE.heldMaxUs);
    expect(failures).toEqual(["reset PARL_DEADLINE_EXCEEDED journal"]);
    expect(RESET_PATIENCE.error().message).toMatch(/was reset.*a crash may bring back/);
  });

  it("are dropped with their shard, and with no other", () => {
    const { held, replies, failures, add, release } = desk();
    const spender = new Spender();
    add(7, "r1", [spender.spend(1, U + 1)]);
    add(8, "r2", [spender.spend(2, U + 1)]);
    add(7, "r3", [spender.spend(3, U + 1)]);
    expect([7, 8, 9].map((shard) => held.countOf(shard))).toEqual([2, 1, 0]);
    held.drop(7);
    expect([7, 8].map((shard) => held.countOf(shard))).toEqual([0, 1]);
    spender.write();
    release(10 * PATIENCE_US);
    expect([replies, failures]).toEqual([["r2"], []]);
  });
});
