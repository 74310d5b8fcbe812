import { beforeEach, describe, expect, it } from "vitest";
import { HeavyKeys } from "../../admission/heavy-keys.ts";
import { micros, US_PER_S } from "../../core/units.ts";

const NOW = micros(1_700_000_000 * US_PER_S);
const HORIZON_US = 60 * US_PER_S;
/** u = 40: light below 10, first sight from 20. */
const OPTIONS = { unjournalledMax: 40, idleAfterUs: HORIZON_US };

let heavy: HeavyKeys;

beforeEach(() => {
  heavy = new HeavyKeys(OPTIONS);
});

/** One key, charged and taken. */
function charge(cost: number, used: number, key = 1): number {
  return heavy.charged(key, 1, cost, used, NOW);
}

function take(): number[] {
  const keys: number[] = [];
  heavy.take((high) => {
    keys.push(high);
    return true;
  });
  return keys;
}

describe("heavy keys", () => {
  it("take no memory below half of u", () => {
    for (let used = 1; used < 20; used += 1) expect(charge(1, used)).toBe(0);
    expect(heavy.entries).toBe(0);
    expect(heavy.isDue).toBe(false);
    charge(1, 20);
    expect(heavy.entries).toBe(1);
    expect(heavy.isDue).toBe(true);
  });

  it("are answered at once up to u, and no further", () => {
    expect(charge(20, 20)).toBe(0);
    expect(charge(20, 40)).toBe(0);
    expect(charge(1, 41)).toBeGreaterThan(0);
    expect(charge(20, 20, 2)).toBe(0);
    expect(charge(21, 41, 2)).toBeGreaterThan(0);
  });

  it("wait when nothing is known of them and they have used more than u", () => {
    expect(charge(1, 41, 1)).toBeGreaterThan(0);
    expect(charge(41, 41, 2)).toBeGreaterThan(0);
    expect(charge(40, 40, 3)).toBe(0);
  });

  it("count what is spent while a write is in flight as unjournalled again", () => {
    charge(20, 20);
    expect(take()).toEqual([1]);
    expect(charge(15, 35)).toBe(0);
    heavy.acked();
    expect(heavy.isDue).toBe(false);
    // 15 are unjournalled now, not 0 and not 35.
    expect(charge(25, 60)).toBe(0);
    expect(charge(1, 61)).toBeGreaterThan(0);
  });

  it("wait for more than u while a write is in flight, as if it were lost", () => {
    charge(20, 20);
    take();
    expect(charge(20, 40)).toBe(0);
    expect(charge(1, 41)).toBeGreaterThan(0);
  });

  it("are due again at once when half of u was spent during the flight", () => {
    charge(20, 20);
    take();
    charge(20, 40);
    expect(heavy.isDue).toBe(true);
    heavy.acked();
    expect(take()).toEqual([1]);
  });

  it("release an answer when its charge is journalled, not before", () => {
    charge(20, 20);
    take();
    const ticket = charge(60, 80);
    expect(heavy.journalled).toBeLessThan(ticket);
    heavy.acked();
    expect(heavy.journalled).toBeLessThan(ticket);
    expect(take()).toEqual([1]);
    heavy.acked();
    expect(heavy.journalled).toBeGreaterThanOrEqual(ticket);
  });

  it("release an answer with the write in flight when that leaves at most u", () => {
    charge(35, 35);
    take();
    const ticket = charge(10, 45);
    expect(ticket).toBeGreaterThan(0);
    heavy.acked();
    expect(heavy.journalled).toBeGreaterThanOrEqual(ticket);
  });

  it("stay due when the write was lost, and count everything", () => {
    charge(30, 30);
    take();
    charge(10, 40);
    heavy.lost();
    expect(charge(1, 41)).toBeGreaterThan(0);
    expect(take()).toEqual([1]);
    heavy.acked();
    expect(charge(40, 81)).toBe(0);
  });

  it("count all that is used when they come back from the light zone, where nobody looked", () => {
    charge(30, 30);
    take();
    heavy.acked();
    // Drained to nothing, spent 9 unseen, then 16 more: 25 are unjournalled, not 16.
    charge(9, 9);
    charge(16, 25);
    expect(charge(15, 40)).toBe(0);
    expect(charge(1, 41)).toBeGreaterThan(0);
  });

  it("do not write at every turn when they oscillate about a threshold", () => {
    let writes = 0;
    for (let i = 0; i < 1_000; i += 1) {
      charge(1, i % 2 === 0 ? 20 : 21);
      charge(1, i % 2 === 0 ? 10 : 11);
      writes += take().length;
      heavy.acked();
    }
    // 2,000 units, a write is worth at least u/4.
    expect(writes).toBeLessThanOrEqual(200);
    expect(writes).toBeGreaterThan(0);
  });

  it("are due at once after a report beyond u, and wait until it is journalled", () => {
    expect(charge(1_000, Infinity)).toBeGreaterThan(0);
    expect(heavy.isDue).toBe(true);
    expect(charge(1, 1_001)).toBeGreaterThan(0);
    take();
    heavy.acked();
    expect(charge(40, 1_041)).toBe(0);
  });

  it("keep due what found no room in a message, in order", () => {
    for (const key of [1, 2, 3]) charge(20, 20, key);
    const keys: number[] = [];
    heavy.take((high) => {
      if (keys.length === 2) return false;
      keys.push(high);
      return true;
    });
    heavy.acked();
    expect(keys).toEqual([1, 2]);
    expect(take()).toEqual([3]);
  });

  it("start with nothing unjournalled after a recovery", () => {
    heavy.recovered(1, 1, NOW);
    expect(heavy.isDue).toBe(false);
    expect(charge(40, 500)).toBe(0);
    expect(charge(1, 501)).toBeGreaterThan(0);
  });

  it("are all due, and wait, when the journal is lost or numbers change", () => {
    charge(20, 20, 1);
    charge(20, 20, 2);
    take();
    heavy.acked();
    charge(20, 40, 2);
    take();
    heavy.invalidate({ ...OPTIONS, unjournalledMax: 4 });
    expect(charge(1, 21)).toBeGreaterThan(0);
    expect(charge(4, 4, 3)).toBe(0);
    expect(charge(5, 5, 4)).toBeGreaterThan(0);
    expect(take().toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4]);
    heavy.acked();
    expect(charge(4, 25)).toBe(0);
    expect(charge(1, 26)).toBeGreaterThan(0);
  });

  it("tell the journal of a state that went down, without anybody waiting", () => {
    heavy.recovered(1, 1, NOW);
    heavy.lowered(1, 1, 15, NOW);
    expect(charge(40, 55)).toBe(0);
    expect(take()).toEqual([1]);
    heavy.lowered(1, 1, 50, NOW);
    heavy.acked();
    expect(take()).toEqual([1]);
  });

  it("tell it also of a key that only another owner can have told of, and trust nothing that one said", () => {
    heavy.lowered(1, 1, 30, NOW);
    expect(take()).toEqual([1]);
    expect(charge(10, 40)).toBe(0);
    expect(charge(1, 41)).toBeGreaterThan(0);
  });

  it("are forgotten when idle, unless they are due or in flight", () => {
    charge(20, 20, 1);
    take();
    heavy.acked();
    charge(20, 20, 2);
    heavy.sweep(micros(NOW + HORIZON_US / 2), 1_000);
    expect(heavy.entries).toBe(2);
    heavy.sweep(micros(NOW + 2 * HORIZON_US), 1_000);
    expect(heavy.entries).toBe(1);
    take();
    heavy.sweep(micros(NOW + 2 * HORIZON_US), 1_000);
    expect(heavy.entries).toBe(1);
    heavy.acked();
    heavy.sweep(micros(NOW + 2 * HORIZON_US), 1_000);
    expect(heavy.entries).toBe(0);
  });

  it("have one flush in flight", () => {
    charge(20, 20);
    take();
    expect(() => take()).toThrow("one flush");
  });
});
