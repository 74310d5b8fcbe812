import * as fc from "fast-check";
import { expect, it } from "vitest";
import { FAULTS, liveThrough } from "../../harness/placement-faults.ts";

const faults = fc.record({
  what: fc.constantFrom(...FAULTS),
  whom: fc.nat(9),
  afterUs: fc.oneof(fc.nat(200_000), fc.nat(3_000_000)),
  forUs: fc.oneof(fc.nat(600_000), fc.nat(6_000_000)),
});
const lives = fc.record({
  seed: fc.nat(2 ** 31),
  shards: fc.constantFrom(4, 8, 13),
  members: fc.integer({ min: 2, max: 5 }),
  isStormy: fc.boolean(),
  isFirstFast: fc.boolean(),
  history: fc.array(faults, { maxLength: 14 }),
});

it("has one owner a shard whatever goes wrong, and soon after has it again", { timeout: 120_000 }, () => {
  const tally = new Map<string, number>();
  fc.assert(
    fc.property(lives, (life) => {
      for (const [what, times] of liveThrough(life).tally) tally.set(what, (tally.get(what) ?? 0) + times);
    }),
    // A failing life is a trace to read; to make it shorter takes longer than to read it.
    { numRuns: 100, endOnFailure: true },
  );
  for (const what of ["open fresh", "open recover", "open keep", "lost", "handoff adopted", "refused"]) {
    expect([what, tally.get(what)]).toEqual([what, expect.any(Number)]);
  }
});
