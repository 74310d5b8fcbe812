import { expect, it } from "vitest";
import { shownTable } from "../../sim/table.ts";

it("aligns columns to the left, or to the right where asked, with nothing behind the last", () => {
  const rows = [
    ["a", "1", ""],
    ["long", "1000", "end"],
  ];
  expect(shownTable(["name", "n", "more"], rows, (column) => column === 1)).toBe(
    ["name     n  more", "a        1", "long  1000  end", ""].join("\n"),
  );
});
