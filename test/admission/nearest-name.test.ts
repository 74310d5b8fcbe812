import { describe, expect, it } from "vitest";
import { nearestName } from "../../admission/nearest-name.ts";

const NAMES = ["name", "limit", "window", "burst", "subWindows", "token-bucket"];

describe("nearestName", () => {
  it.each([
    ["limt", "limit"],
    ["limits", "limit"],
    ["burts", "burst"],
    ["Window", "window"],
    ["subwindows", "subWindows"],
    ["token_bucket", "token-bucket"],
    ["tokenBucket", "token-bucket"],
  ])("takes %s for %s", (word, name) => {
    expect(nearestName(word, NAMES)).toBe(name);
  });

  it.each(["", "colour", "__proto__", "constructor", "x".repeat(1_000_000)])(
    "has no guess for %.20s",
    (word) => {
      expect(nearestName(word, NAMES)).toBeUndefined();
    },
  );

  it("prefers the fewest edits, then the first name", () => {
    expect(nearestName("cat", ["cut", "cats", "cat"])).toBe("cat");
    expect(nearestName("cat", ["cut", "cot"])).toBe("cut");
  });
});
