import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { recordedTrace } from "../../bench/recorded-trace.ts";
import { TraceParser } from "../../bench/trace-reader.ts";
import { traceText } from "../../bench/trace-writer.ts";
import { EventColumns } from "../../bench/events.ts";
import { US_PER_S } from "../../core/units.ts";

const REQUESTS = fc
  .array(fc.record({ second: fc.nat(20), key: fc.constantFrom("a", "b", "c") }), {
    minLength: 1,
    maxLength: 60,
  })
  .map((requests) =>
    requests
      .toSorted((left, right) => left.second - right.second)
      .map(({ second, key }) => ({ atUs: second * US_PER_S, key })),
  );

describe("a trace of what a log holds", () => {
  it("has every request, in order, in the second it was logged in, at a moment of its own", () => {
    fc.assert(
      fc.property(REQUESTS, (requests) => {
        const { header, events } = recordedTrace(requests);
        expect(events.count).toBe(requests.length);
        const names = [...new Set(requests.map(({ key }) => key))];
        expect(header.keys).toBe(names.length);
        for (const [index, { atUs, key }] of requests.entries()) {
          expect(names[events.key[index]!]).toBe(key);
          expect(Math.floor(events.atUs[index]! / US_PER_S) * US_PER_S).toBe(atUs);
          if (index > 0) expect(events.atUs[index]!).toBeGreaterThan(events.atUs[index - 1]!);
        }
      }),
    );
  });

  it("is a trace that readers understand", () => {
    fc.assert(
      fc.property(REQUESTS, (requests) => {
        const { header, events } = recordedTrace(requests);
        const read = new EventColumns();
        const parser = new TraceParser("recorded", read);
        for (const text of traceText(header, [events])) parser.push(Buffer.from(text));
        expect(parser.finish()).toEqual(header);
        expect(read.count).toBe(events.count);
        expect(read.atUs.subarray(0, read.count)).toEqual(events.atUs.subarray(0, events.count));
        expect(read.key.subarray(0, read.count)).toEqual(events.key.subarray(0, events.count));
      }),
    );
  });

  it("spreads the requests of one second evenly over it", () => {
    const { header, events } = recordedTrace([5, 5, 5, 5, 8].map((s) => ({ atUs: s * US_PER_S, key: "a" })));
    expect([...events.atUs.subarray(0, 5)]).toEqual([5_000_000, 5_250_000, 5_500_000, 5_750_000, 8_000_000]);
    expect(header).toMatchObject({ startUs: 5 * US_PER_S, durationUs: 4 * US_PER_S, keys: 1 });
  });
});
