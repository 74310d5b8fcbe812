import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { micros } from "../../core/units.ts";
import { LoggedTrafficReader, sortedByTime, type LoggedTraffic } from "../../sim/logged-traffic.ts";

function trafficOf(bytes: Uint8Array, requestsMax?: number): LoggedTraffic {
  const reader = new LoggedTrafficReader({ tenant: ["web"], key: "ip", user: null }, requestsMax);
  for (let at = 0; at < bytes.length; at += 1_000) reader.push(bytes.subarray(at, at + 1_000));
  return reader.end();
}

const fixture = (name: string): Uint8Array =>
  readFileSync(new URL(`../fixtures/logs/${name}`, import.meta.url));
const atUs = (traffic: LoggedTraffic): number[] => traffic.checks.map((check) => check.atUs);

describe("the traffic of an access log", () => {
  it("reads a web site's log and shows the one line that was cut short", () => {
    const traffic = trafficOf(fixture("semicomplete-excerpt.log"));
    expect(traffic).toMatchObject({ lines: 300, requests: 299, oddLines: 1 });
    expect(traffic.oddExamples).toMatchObject([{ line: 199, reason: "truncated" }]);
    expect(traffic.checks).toHaveLength(299);
  });

  it("sorts a scanner's log, every line of which is wrapped in quotes", () => {
    const traffic = trafficOf(fixture("acunetix-excerpt.log"));
    expect(traffic).toMatchObject({ lines: 300, requests: 300, oddLines: 0 });
    expect(traffic.outOfOrder).toBeGreaterThan(100);
    expect(atUs(traffic)).toEqual(atUs(traffic).toSorted((left, right) => left - right));
    expect(new Set(traffic.checks.map((check) => check.key))).toEqual(new Set(["192.168.4.25"]));
  });

  it("stops keeping requests at the limit but reads on", () => {
    const traffic = trafficOf(fixture("acunetix-excerpt.log"), 10);
    expect(traffic).toMatchObject({ lines: 300, requests: 10 });
  });

  it("counts every odd line by reason and keeps only a few of them", () => {
    const traffic = trafficOf(new TextEncoder().encode("\nx\n\n1 2\n".repeat(100)));
    expect(traffic).toMatchObject({ lines: 400, requests: 0, oddLines: 400, checks: [] });
    expect(Object.fromEntries(traffic.oddReasons)).toEqual({ empty: 200, "no-host": 100, "no-time": 100 });
    expect(traffic.oddExamples).toHaveLength(5);
  });

  it("is never stopped by bytes that are no log at all", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => void trafficOf(bytes)));
  });
});

it("sorts as a stable permutation", () => {
  const moments = fc.array(fc.nat({ max: 8 }).map((value) => ({ atUs: micros(value) })));
  fc.assert(
    fc.property(moments, (unsorted) => {
      const place = new Map(unsorted.map((moment, index) => [moment, index]));
      const sorted = sortedByTime(unsorted);
      expect(new Set(sorted)).toEqual(new Set(unsorted));
      expect(sorted).toHaveLength(unsorted.length);
      for (const [i, later] of sorted.entries()) {
        const earlier = sorted[i - 1];
        if (earlier === undefined) continue;
        expect(earlier.atUs).toBeLessThanOrEqual(later.atUs);
        if (earlier.atUs === later.atUs) expect(place.get(earlier)).toBeLessThan(place.get(later) ?? -1);
      }
    }),
  );
});
