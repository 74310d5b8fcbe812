/**
 * A shard whose process may end at any moment (crashing-shard.ts): what was answered before, what was lent to
 * others and what a successor admits from the journal never come to more than the limit, all together. Single
 * checks may cost far more than a crash is charged for.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { CrashingShard, SHARD_KEYS, type Fate, type ShardAction } from "./crashing-shard.ts";

const TIMEOUT_MS = 120_000;

const keys = fc.nat(SHARD_KEYS.length - 1);
const holder = fc.nat(1);
/** Of a limit of 100, u is 5, and 2 of it may be lent without the journal. */
const units = fc.oneof(fc.constantFrom(0, 1, 2), fc.integer({ min: 1, max: 12 }), fc.nat(120));

function actionsOf(passUs: fc.Arbitrary<number>): fc.Arbitrary<ShardAction[]> {
  const fates = fc.constantFrom<Fate>("acked", "acked", "unheard", "lost");
  return fc.array(
    fc.oneof(
      {
        arbitrary: fc.record({
          do: fc.constant("check" as const),
          key: keys,
          cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 120 })),
        }),
        weight: 10,
      },
      {
        arbitrary: fc.record({
          do: fc.constant("borrow" as const),
          key: keys,
          holder,
          spend: units,
          giveBack: fc.oneof(fc.constant(0), units),
          need: units,
        }),
        weight: 10,
      },
      {
        arbitrary: fc.record({
          do: fc.constant("write" as const),
          bytes: fc.constantFrom(40, 150, 4_000),
          fate: fates,
          isAtOnce: fc.boolean(),
        }),
        weight: 10,
      },
      { arbitrary: fc.record({ do: fc.constant("pass" as const), us: passUs }), weight: 3 },
      {
        arbitrary: fc.oneof(
          fc.record({ do: fc.constantFrom("forget" as const, "die" as const), key: keys, holder }),
          fc.record({ do: fc.constant("compact" as const) }),
        ),
        weight: 2,
      },
    ),
    { maxLength: 60, size: "max" },
  );
}

const actions = actionsOf(fc.nat(2_000_000));
const changes: fc.Arbitrary<ShardAction> = fc.record({
  do: fc.constant("limit" as const),
  limit: fc.constantFrom(60, 100, 140),
  isOtherFirst: fc.boolean(),
});

/** Windows so long that nothing drains. */
const window = "1d";

describe.each(ALGORITHMS)("keys of %s in a journal", (algorithm) => {
  it(
    "admit no more than the limit over a crash at any moment",
    () => {
      fc.assert(
        fc.property(fc.constantFrom(40, 100, 1_000), actions, (limit, list) => {
          const shard = new CrashingShard({ algorithm, limit, window });
          for (const action of list) {
            shard.run(action);
            expect(shard.overAdmitted()).toEqual([]);
          }
        }),
        { numRuns: 40 },
      );
    },
    TIMEOUT_MS,
  );

  it(
    "admit no more than the limit over a crash while they drain",
    () => {
      const passUs = fc.oneof(fc.nat(100_000), fc.nat(2_000_000), fc.nat(20_000_000));
      fc.assert(
        fc.property(fc.constantFrom(40, 100, 400), actionsOf(passUs), (limit, list) => {
          const shard = new CrashingShard({ algorithm, limit, window: "12s" });
          for (const action of list) {
            shard.run(action);
            expect(shard.overAdmitted()).toEqual([]);
          }
        }),
        { numRuns: 40 },
      );
    },
    TIMEOUT_MS,
  );

  it("admit no more than the highest limit there was when policies change meanwhile", () => {
    fc.assert(
      fc.property(actions, fc.array(fc.tuple(fc.nat(60), changes), { maxLength: 4 }), (list, moments) => {
        const shard = new CrashingShard({ algorithm, limit: 100, window });
        const all = [...list];
        for (const [at, change] of moments) all.splice(at, 0, change);
        for (const action of all) {
          shard.run(action);
          expect(shard.overAdmitted()).toEqual([]);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("hold nobody's answer once everything is written, and are charged for no reservation that is over", () => {
    fc.assert(
      fc.property(fc.constantFrom(40, 100), actions, (limit, list) => {
        const shard = new CrashingShard({ algorithm, limit, window });
        for (const action of list) shard.run(action);
        expect(shard.settle()).toBe(0);
        expect(shard.reservedInJournal).toBeLessThanOrEqual(shard.reserved);
      }),
      { numRuns: 40 },
    );
  });
});
