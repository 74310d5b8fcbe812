import { describe, expect, it } from "vitest";
import { EventColumns } from "../../../bench/events.ts";
import { KeyShares } from "../../../bench/lab/key-shares.ts";

describe("shares of a trace", () => {
  it("are those of the hottest key, and of the key in the middle of the order of heat", () => {
    const events = new EventColumns();
    for (const key of [3, 0, 1, 3, 2, 3, 1, 4, 3, 1]) events.push(1, key, 1);
    const shares = new KeyShares(events, 5);
    expect(shares.hottestKey).toBe(3);
    expect(shares.hottest).toBe(0.4);
    expect(shares.median).toBe(0.1);
    expect([0, 1, 2, 3, 4].filter((key) => shares.isMiddle(key))).toEqual([0]);
  });

  it("of one key are all, and nothing is in the middle", () => {
    const events = new EventColumns();
    events.push(1, 0, 1);
    const shares = new KeyShares(events, 1);
    expect([shares.hottestKey, shares.hottest, shares.median]).toEqual([0, 1, 1]);
    expect(shares.isMiddle(0)).toBe(false);
  });
});
