import { expect, it } from "vitest";
import type { Backend } from "../../bench/backend.ts";
import { EventColumns } from "../../bench/events.ts";
import { warmUp } from "../../bench/warm-up.ts";

/** A second between events. */
function eventsOver(seconds: number): EventColumns {
  const events = new EventColumns();
  for (let s = 0; s < seconds; s += 1) events.push(1e15 + s * 1e6, 0, 1);
  return events;
}

/** Backends that allow everything at once, and how many events each was opened for. */
function recording(): { opened: number[]; open: (some: EventColumns) => Promise<Backend> } {
  const opened: number[] = [];
  return {
    opened,
    open: async (some) => {
      opened.push(some.count);
      const backend: Pick<Backend, "submit"> = {
        submit(from, to, sink) {
          for (let index = from; index < to; index += 1) sink.decided(index, true);
        },
      };
      return backend as Backend;
    },
  };
}

/** Time that passes by itself. */
function clock(): () => number {
  let us = 0;
  return () => (us += 10_000);
}

it("drives the first two seconds at the trace's own pace, after all of it as fast as it goes", async () => {
  const { opened, open } = recording();
  await warmUp(eventsOver(5), open, { pace: "real", nowUs: clock() });
  expect(opened).toEqual([5, 2]);
});

it("has no pace but the fastest where the run has none", async () => {
  const { opened, open } = recording();
  await warmUp(eventsOver(5), open, { pace: "max", nowUs: clock() });
  expect(opened).toEqual([5]);
});
