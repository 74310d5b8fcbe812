import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeyQueue } from "../../admission/key-queue.ts";

describe("the key queue", () => {
  it("gives back what was pushed, in order, through growing and shrinking", () => {
    const steps = fc.array(fc.record({ push: fc.nat({ max: 300 }), drop: fc.nat({ max: 300 }) }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(steps, (list) => {
        const queue = new KeyQueue();
        const model: number[] = [];
        for (const { push, drop } of list) {
          for (let i = 0; i < push; i += 1) {
            queue.push(2 ** 32 - 1 - queue.queued, queue.queued);
            model.push(model.length);
          }
          queue.journalled = Math.min(queue.queued, queue.journalled + drop);
          expect(queue.queued).toBe(model.length);
          const isKept = Array.from(
            { length: queue.queued - queue.journalled },
            (_, i) => i + queue.journalled,
          ).every((i) => queue.highAt(i) === 2 ** 32 - 1 - i && queue.lowAt(i) === i);
          expect(isKept).toBe(true);
        }
      }),
    );
  });
});
