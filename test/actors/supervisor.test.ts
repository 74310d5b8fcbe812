import { describe, expect, it } from "vitest";
import { Supervisor } from "../../actors/supervisor.ts";
import { micros, US_PER_MS, US_PER_S } from "../../core/units.ts";

/** How long the supervisor waits after crashes at these moments, in milliseconds. */
function delays(supervisor: Supervisor, ...atUs: number[]): number[] {
  return atUs.map((nowUs) => supervisor.delayAfterCrashUs(micros(nowUs)) / US_PER_MS);
}

describe("Supervisor", () => {
  it("starts again at once, then after delays that double, up to ten seconds", () => {
    const everySecond = Array.from({ length: 11 }, (_, i) => i * US_PER_S);
    expect(delays(new Supervisor(), ...everySecond)).toEqual([
      0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000,
    ]);
  });

  it("forgives after more than a minute without a crash, and not before", () => {
    const minute = 60 * US_PER_S;
    expect(delays(new Supervisor(), 0, minute)).toEqual([0, 100]);
    expect(delays(new Supervisor(), 0, minute + 1)).toEqual([0, 0]);
    // The minute counts from the last crash, not from the first.
    expect(delays(new Supervisor(), 0, minute, 2 * minute, 3 * minute + 1)).toEqual([0, 100, 200, 0]);
  });

  it("counts every crash", () => {
    const supervisor = new Supervisor();
    delays(supervisor, 0, 1, 1e12);
    expect(supervisor.crashes).toBe(3);
  });
});
