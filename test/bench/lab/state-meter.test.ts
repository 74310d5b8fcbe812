import { describe, expect, it } from "vitest";
import type { AlgorithmParams } from "../../../algorithms/algorithm.ts";
import { KeyedLimiter } from "../../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../../algorithms/registry.ts";
import { StateMeter } from "../../../bench/lab/state-meter.ts";
import { Verdict } from "../../../core/decision.ts";
import { Prng } from "../../../core/prng.ts";
import { micros, US_PER_S } from "../../../core/units.ts";

const WINDOW_US = micros(10 * US_PER_S);
const START_US = 1_000 * WINDOW_US;
const LOG: AlgorithmParams = { algorithm: "sliding-log", limit: 100, windowUs: WINDOW_US };
const COUNTER: AlgorithmParams = { algorithm: "sliding-window", limit: 100, windowUs: WINDOW_US };

/** Keys awake when a second one is charged so much later than the first. */
function awake(params: AlgorithmParams, laterUs: number): number {
  const meter = new StateMeter(params);
  meter.admit(1, START_US);
  meter.admit(2, START_US + laterUs);
  return meter.fullest().keys;
}

describe("the state of a trace's keys", () => {
  it("counts a slot for each key that is awake, and a ring that doubles for the log", () => {
    const meter = new StateMeter(LOG);
    meter.admit(1, START_US);
    expect(meter.fullest()).toEqual({ keys: 1, bytes: 12 + 16 + 4 * 12 });
    for (const [units, ring] of [
      [4, 4],
      [5, 8],
      [9, 16],
      [17, 32],
    ] as const) {
      const larger = new StateMeter(LOG);
      for (let i = 0; i < units; i += 1) larger.admit(1, START_US + i);
      expect(larger.fullest()).toEqual({ keys: 1, bytes: 12 + 16 + ring * 12 });
    }
  });

  it("lets a key go once its state is as good as new, and not before", () => {
    expect(awake(LOG, WINDOW_US - 1)).toBe(2);
    expect(awake(LOG, WINDOW_US)).toBe(1);
    expect(awake(COUNTER, 2 * WINDOW_US - 1)).toBe(2);
    expect(awake(COUNTER, 2 * WINDOW_US)).toBe(1);
  });

  it("forgets the ring of a key that was asleep", () => {
    const meter = new StateMeter(LOG);
    for (let i = 0; i < 5; i += 1) meter.admit(1, START_US + i);
    const laterUs = START_US + 4 + WINDOW_US;
    for (const key of [1, 2]) meter.admit(key, laterUs);
    expect(meter.fullest()).toEqual({ keys: 2, bytes: 2 * (12 + 16 + 4 * 12) });
  });

  it.each([
    { ...LOG, limit: 4 },
    { algorithm: "fixed-window", limit: 4, windowUs: WINDOW_US },
    { algorithm: "sliding-window", limit: 4, windowUs: WINDOW_US },
    { algorithm: "conservative-window", limit: 4, windowUs: WINDOW_US, subWindows: 10 },
  ] as const satisfies AlgorithmParams[])(
    "is what a process holds for thousands of keys, but for the table's free slots: %j",
    (params) => {
      const limiter = new KeyedLimiter(createAlgorithm(params));
      const meter = new StateMeter(params);
      const verdict = new Verdict();
      const prng = new Prng(1);
      for (let key = 0; key < 4_096; key += 1) {
        const [high, low] = [prng.u32(), prng.u32()];
        for (let unit = 0; unit < 4; unit += 1) {
          limiter.decide(high, low, 1, micros(START_US + key), verdict);
          meter.admit(key, START_US + key);
        }
      }
      const { keys, bytes } = meter.fullest();
      expect(keys).toBe(limiter.keys);
      expect(limiter.bytes()).toBeGreaterThan(bytes);
      expect(limiter.bytes()).toBeLessThan(bytes / 0.7);
    },
  );
});
