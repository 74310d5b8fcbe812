/**
 * The bound of the side table against a model that remembers everything: one list of charges per key, its debt
 * replayed from the list, one unit drained per tick of time.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeavyKeys } from "../../admission/heavy-keys.ts";
import { micros } from "../../core/units.ts";

const KEYS = 3;
const CAPACITY = 200;

interface Charge {
  readonly at: number;
  readonly cost: number;
  /** Whether its caller knows: at once, or once `ticket` is journalled; a report counts once it is acked. */
  readonly ticket: number;
  readonly isReport: boolean;
}

class ModelKey {
  readonly charges: Charge[] = [];
  /** Charges before this one were forgotten. */
  from = 0;
  /** Charges that the acked state and the state in flight know: from the first index, before the other. */
  acked = [0, 0];
  flying = [0, -1];
  usedMax = 0;
  /** What must be journalled before it is told that the key was forgotten, and since which charge it was. */
  readonly resets: { readonly ticket: number; readonly from: number }[] = [];

  /** Of the charges since one. */
  debt(now: number, counts: (charge: Charge, index: number) => boolean, from = this.from): number {
    let debt = 0;
    let last = 0;
    for (const [index, charge] of this.charges.entries()) {
      if (index < from || !counts(charge, index)) continue;
      debt = Math.max(0, debt - (charge.at - last)) + charge.cost;
      last = charge.at;
    }
    return Math.max(0, debt - (now - last));
  }
}

type Action =
  | { readonly do: "charge"; readonly key: number; readonly cost: number; readonly isReport: boolean }
  | { readonly do: "forget"; readonly key: number }
  | { readonly do: "wait"; readonly ticks: number }
  | { readonly do: "take"; readonly room: number }
  | { readonly do: "ack" | "lose" | "sweep" };

const key = fc.nat({ max: KEYS - 1 });
const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    {
      arbitrary: fc.record({
        do: fc.constant("charge" as const),
        key,
        cost: fc.oneof(
          fc.constant(1),
          fc.integer({ min: 1, max: 30 }),
          fc.integer({ min: 1, max: CAPACITY }),
        ),
        isReport: fc.constant(false),
      }),
      weight: 8,
    },
    {
      arbitrary: fc.record({
        do: fc.constant("charge" as const),
        key,
        cost: fc.integer({ min: 1, max: 2 * CAPACITY }),
        isReport: fc.constant(true),
      }),
      weight: 1,
    },
    { arbitrary: fc.record({ do: fc.constant("forget" as const), key }), weight: 1 },
    {
      arbitrary: fc.record({
        do: fc.constant("wait" as const),
        ticks: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 2 * CAPACITY })),
      }),
      weight: 4,
    },
    {
      arbitrary: fc.record({ do: fc.constant("take" as const), room: fc.integer({ min: 0, max: KEYS }) }),
      weight: 3,
    },
    {
      arbitrary: fc.record({
        do: fc.constantFrom("ack" as const, "ack" as const, "lose" as const, "sweep" as const),
      }),
      weight: 4,
    },
  ),
  { maxLength: 80, size: "max" },
);

class Model {
  readonly heavy: HeavyKeys;
  readonly keys = Array.from({ length: KEYS }, () => new ModelKey());
  readonly u: number;
  now = 0;
  isFlying = false;

  constructor(u: number) {
    this.u = u;
    this.heavy = new HeavyKeys({ unjournalledMax: u, idleAfterUs: 2 * CAPACITY });
  }

  run(action: Action): void {
    switch (action.do) {
      case "charge":
        this.charge(action.key, action.cost, action.isReport);
        return;
      case "forget":
        this.forget(action.key);
        return;
      case "wait":
        this.now += action.ticks;
        return;
      case "take":
        this.take(action.room);
        return;
      case "ack":
        this.heavy.acked();
        if (this.isFlying)
          for (const each of this.keys) if ((each.flying[1] as number) >= 0) each.acked = each.flying;
        this.land();
        return;
      case "lose":
        this.heavy.lost();
        this.land();
        return;
      case "sweep":
        this.heavy.sweep(micros(this.now), 1_000);
    }
  }

  take(room: number): void {
    if (this.isFlying) return;
    let left = room;
    const taken = this.heavy.take((high) => {
      if (left === 0) return false;
      left -= 1;
      const one = this.keys[high - 1] as ModelKey;
      one.flying = [one.from, one.charges.length];
      return true;
    });
    this.isFlying = taken > 0;
  }

  private land(): void {
    this.isFlying = false;
    for (const each of this.keys) each.flying = [0, -1];
  }

  private forget(index: number): void {
    const one = this.keys[index] as ModelKey;
    const ticket = this.heavy.forgotten(index + 1, 0, 0, micros(this.now));
    one.from = one.charges.length;
    one.resets.push({ ticket, from: one.from });
  }

  private charge(index: number, cost: number, isReport: boolean): void {
    const one = this.keys[index] as ModelKey;
    const used = one.debt(this.now, () => true) + cost;
    if (!isReport && used > CAPACITY) return;
    const told = isReport && used >= CAPACITY ? Infinity : used;
    const ticket = this.heavy.charged(index + 1, 0, cost, told, micros(this.now));
    one.usedMax = Math.max(one.usedMax, used);
    one.charges.push({ at: this.now, cost, ticket, isReport });
  }

  get chargesMade(): number {
    return this.keys.reduce((sum, { charges }) => sum + charges.length, 0);
  }

  check(): void {
    for (const [index, one] of this.keys.entries()) {
      const [ackedFrom, acked] = one.acked as [number, number];
      const journalled = one.debt(this.now, (_, i) => i < acked, ackedFrom);
      const known = one.debt(this.now, ({ ticket, isReport }, i) =>
        isReport ? i < acked : ticket <= this.heavy.journalled,
      );
      if (known - journalled > this.u) expect.fail(`key ${index}: ${known} known, ${journalled} journalled`);
    }
    const wereHeavy = this.keys.filter(({ usedMax, resets }) => usedMax >= this.u / 2 || resets.length > 0);
    expect(this.heavy.entries).toBeLessThanOrEqual(wereHeavy.length);
    for (const { acked, resets } of this.keys) {
      for (const { ticket, from } of resets) {
        if (ticket <= this.heavy.journalled) expect(acked[0]).toBeGreaterThanOrEqual(from);
      }
    }
  }
}

const bounds = fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: CAPACITY }));

describe("the side table of heavy keys", () => {
  it("never lets a key's answers run more than u ahead of the journal, whatever is lost", () => {
    fc.assert(
      fc.property(bounds, actions, (u, list) => {
        const model = new Model(u);
        for (const action of list) {
          model.run(action);
          model.check();
        }
      }),
      { numRuns: 500 },
    );
  });

  it("lets every answer go once the journal has caught up", () => {
    fc.assert(
      fc.property(bounds, actions, (u, list) => {
        const model = new Model(u);
        for (const action of list) model.run(action);
        model.run({ do: "ack" });
        model.take(Infinity);
        model.run({ do: "ack" });
        for (const { charges, resets } of model.keys) {
          for (const { ticket } of [...charges, ...resets]) {
            expect(ticket).toBeLessThanOrEqual(model.heavy.journalled);
          }
        }
        expect(model.heavy.isDue).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it("makes nobody wait needlessly while nothing drains", () => {
    fc.assert(
      fc.property(bounds, actions, (u, list) => {
        const model = new Model(u);
        for (const action of list) {
          if (action.do === "wait" || action.do === "sweep" || action.do === "forget") continue;
          const before = model.chargesMade;
          model.run(action);
          if (action.do !== "charge" || model.chargesMade === before) continue;
          const one = model.keys[action.key] as ModelKey;
          const last = one.charges.at(-1) as Charge;
          if (one.charges.some(({ isReport }) => isReport)) continue;
          const gap = one.debt(0, () => true) - one.debt(0, (_, i) => i < (one.acked[1] as number));
          expect(last.ticket === 0).toBe(gap <= u);
        }
      }),
      { numRuns: 200 },
    );
  });
});
