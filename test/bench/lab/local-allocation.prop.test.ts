import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LocalAllocation } from "../../../bench/lab/local-allocation.ts";
import { mostAboveRate, Oracle, type Admission } from "../../../bench/oracle.ts";
import { micros } from "../../../core/units.ts";

const CLIENTS = 3;
const ASKS = fc.array(
  fc.record({ gapUs: fc.oneof(fc.nat(2_000), fc.nat(30)), client: fc.nat(CLIENTS - 1) }),
  {
    maxLength: 80,
  },
);
const PARAMS = fc.record({
  limit: fc.integer({ min: 1, max: 12 }),
  windowUs: fc.constant(micros(1_000)),
  burst: fc.integer({ min: 1, max: 12 }),
});

function admissionsOf(
  shared: LocalAllocation,
  asks: readonly { readonly gapUs: number; readonly client: number }[],
): Admission[] {
  let atUs = 0;
  return asks.flatMap(({ gapUs, client }) => {
    atUs += gapUs;
    return shared.ask(client, atUs) ? [{ atUs, cost: 1 }] : [];
  });
}

describe("a token bucket with local batches", () => {
  it("of one token decides as a token bucket by the book, and asks for whatever is admitted", () => {
    fc.assert(
      fc.property(PARAMS, ASKS, (params, asks) => {
        const shared = new LocalAllocation(params, CLIENTS, 1);
        const oracle = new Oracle({ ...params, algorithm: "token-bucket" });
        let atUs = 0;
        for (const { gapUs, client } of asks) {
          atUs += gapUs;
          expect(shared.ask(client, atUs)).toBe(oracle.decide(1, atUs) === "allowed");
        }
        expect(shared.roundTrips).toBeGreaterThanOrEqual(oracle.admissions.length);
      }),
    );
  });

  it("admits no more than batch − 1 tokens a client beyond the bucket's envelope in any span", () => {
    fc.assert(
      fc.property(PARAMS, ASKS, fc.integer({ min: 1, max: 9 }), (params, asks, batch) => {
        const admissions = admissionsOf(new LocalAllocation(params, CLIENTS, batch), asks);
        const above = mostAboveRate(admissions, params.limit, params.windowUs);
        expect(above).toBeLessThanOrEqual(params.burst + CLIENTS * (batch - 1));
      }),
    );
  });

  it("spends and holds together no more than has flowed into the bucket since the beginning", () => {
    fc.assert(
      fc.property(PARAMS, ASKS, fc.integer({ min: 1, max: 9 }), (params, asks, batch) => {
        const shared = new LocalAllocation(params, CLIENTS, batch);
        const admissions = admissionsOf(shared, asks);
        const elapsedUs = asks.reduce((sum, { gapUs }) => sum + gapUs, 0);
        const flowed = params.burst + (elapsedUs * params.limit) / params.windowUs;
        expect(shared.held).toBeGreaterThanOrEqual(0);
        expect(admissions.length + shared.held).toBeLessThanOrEqual(flowed);
        expect(shared.roundTrips).toBeGreaterThanOrEqual((admissions.length + shared.held) / batch);
      }),
    );
  });

  it("asks nobody while the bucket is known to be empty, and again when the next token is there", () => {
    const shared = new LocalAllocation({ limit: 10, windowUs: micros(1_000), burst: 1 }, 2, 1);
    expect([shared.ask(0, 0), shared.ask(0, 1), shared.ask(0, 99)]).toEqual([true, false, false]);
    expect(shared.roundTrips).toBe(2);
    expect([shared.ask(0, 100), shared.roundTrips]).toEqual([true, 3]);
  });
});
