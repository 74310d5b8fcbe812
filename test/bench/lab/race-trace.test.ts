import { describe, expect, it } from "vitest";
import { fullSpeedTrace, raceTrace, withStringsOfTheirOwn } from "../../../bench/lab/race-trace.ts";
import { START_US } from "../../../bench/trace.ts";

const SIZE = { keys: 50, decisions: 5_000, rounds: 1, rate: 1_000, seconds: 2 };

describe("a race's trace", () => {
  it("has whole milliseconds, a burst, and a seam of windows within half a second", () => {
    const { events } = raceTrace(1, SIZE.keys, SIZE.rate, SIZE.seconds);
    const atMs = [...events.atUs.subarray(0, events.count)].map((us) => us / 1_000);
    expect(atMs.every(Number.isInteger)).toBe(true);
    expect(atMs).toEqual(atMs.toSorted((left, right) => left - right));
    expect(atMs[0]! - START_US / 1_000).toBeGreaterThanOrEqual(500);
    expect(atMs.at(-1)! - START_US / 1_000).toBeLessThan(500 + 2_000);
    const perTenth = new Map<number, number>();
    for (const ms of atMs) perTenth.set(Math.floor(ms / 100), (perTenth.get(Math.floor(ms / 100)) ?? 0) + 1);
    // The baseline has a hundred.
    expect(Math.max(...perTenth.values())).toBeGreaterThan(400);
    expect(Math.min(...perTenth.values())).toBeLessThan(150);
  });

  it("has about the decisions asked for at full speed, or more", () => {
    const { count } = fullSpeedTrace(1, SIZE).events;
    expect(count).toBeGreaterThan(SIZE.decisions / 2);
    expect(count).toBeLessThan(SIZE.decisions * 3);
  });

  it("asks for the same keys when every event has a string of its own", () => {
    const trace = fullSpeedTrace(1, SIZE);
    const own = withStringsOfTheirOwn(trace);
    expect(own.names).toHaveLength(trace.events.count);
    const nameOf = new Map<number, string>();
    for (let index = 0; index < trace.events.count; index += 1) {
      const key = trace.events.key[index]!;
      const name = own.names[own.events.key[index]!]!;
      expect(nameOf.get(key) ?? name).toBe(name);
      nameOf.set(key, name);
    }
    expect(new Set(nameOf.values()).size).toBe(nameOf.size);
  });
});
