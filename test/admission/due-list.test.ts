import * as fc from "fast-check";
import { expect, it } from "vitest";
import { DueList } from "../../admission/due-list.ts";

class Entry {
  dueSlot = Infinity;
  /** The earliest moment it was scheduled for since it was last taken. */
  dueUs = Infinity;
}

const steps = fc.array(
  fc.record({
    verb: fc.constantFrom("schedule", "take", "remove"),
    who: fc.nat(4),
    us: fc.oneof(fc.nat(40_000), fc.nat(3_000_000)),
  }),
  { maxLength: 80 },
);

it("gives each entry once, not before its moment and at most 10 ms after", () => {
  fc.assert(
    fc.property(steps, (history) => {
      const list = new DueList<Entry>();
      const entries = Array.from({ length: 5 }, () => new Entry());
      let nowUs = 0;
      for (const { verb, who, us } of history) {
        const entry = entries[who] as Entry;
        if (verb === "schedule") {
          list.schedule(entry, nowUs + us);
          entry.dueUs = Math.min(entry.dueUs, nowUs + us);
        } else if (verb === "remove") {
          list.remove(entry);
          entry.dueUs = Infinity;
        } else {
          nowUs += us;
          const taken = list.take(nowUs);
          expect(new Set(taken).size).toBe(taken.length);
          for (const one of taken) {
            expect(one.dueUs).toBeLessThanOrEqual(nowUs);
            one.dueUs = Infinity;
          }
          // What is still listed was scheduled for later, or for the slot under way.
          for (const one of entries) expect(one.dueUs).toBeGreaterThan(nowUs - 10_000);
        }
      }
    }),
  );
});
