import { describe, expect, it } from "vitest";
import { AnsweredList } from "../../../actors/handoff/answered-list.ts";

describe("AnsweredList", () => {
  it("strikes out as many as were added, and no more", () => {
    const list = AnsweredList.of(["x", "y", "x"]);
    expect(list.size).toBe(3);
    expect(["x", "x", "x", "y", "z"].map((replyTo) => list.take(replyTo))).toEqual([
      true,
      true,
      false,
      true,
      false,
    ]);
    expect([list.size, list.subjects()]).toEqual([0, []]);
  });

  it("names each as often as it is in it", () => {
    expect(AnsweredList.of(["x", "y", "x"]).subjects()).toEqual(["x", "x", "y"]);
  });

  it("says when it is full, by number and by length, and has room again after some were struck out", () => {
    const many = new AnsweredList();
    for (let i = 0; i < 32_768; i += 1) expect(many.add(`${i}`)).toBe(true);
    expect(many.add("one more")).toBe(false);
    expect(many.take("one more")).toBe(false);
    many.take("5");
    expect(many.add("one more")).toBe(true);
    const long = new AnsweredList();
    for (let i = 0; i < 32; i += 1) expect(long.add("x".repeat(65_536))).toBe(true);
    expect(long.add("x")).toBe(false);
  });
});
