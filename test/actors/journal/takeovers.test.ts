import { describe, expect, it } from "vitest";
import type { Takeover } from "../../../actors/journal/record.ts";
import { withTakeover } from "../../../actors/journal/takeovers.ts";
import { micros } from "../../../core/units.ts";

function takeover(atUs: number, times = 1): Takeover {
  return { atUs: micros(atUs), times };
}

describe("the list of takeovers", () => {
  it("forgets those that nobody feels any more: after two horizons", () => {
    const list = withTakeover([takeover(100), takeover(101), takeover(150)], takeover(300), 100);
    expect(list).toEqual([takeover(101), takeover(150), takeover(300)]);
  });

  it("stays short in a crash loop, and loses none of the units", () => {
    let list: readonly Takeover[] = [];
    for (let i = 1; i <= 40; i += 1) list = withTakeover(list, takeover(i), 1_000);
    expect(list).toHaveLength(32);
    expect(list[0]).toEqual(takeover(9, 9));
    expect(list.reduce((sum, { times }) => sum + times, 0)).toBe(40);
    for (let i = 41; i <= 500; i += 1) list = withTakeover(list, takeover(i), 1_000);
    expect(list[0]).toEqual(takeover(469, 20));
  });
});
