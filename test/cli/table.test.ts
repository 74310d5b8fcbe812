import { expect, it } from "vitest";
import { grouped, percent, table } from "../../cli/table.ts";

it("aligns words to the left, numbers to the right, and ends no line in blanks", () => {
  const rows = [
    ["per-key", 12_345, "now"],
    ["x", 7, ""],
  ];
  expect(table(["policy", "n", "when"], rows)).toBe(
    ["policy        n  when", "per-key  12,345  now", "x             7", ""].join("\n"),
  );
});

it("prints a header over no rows", () => {
  expect(table(["a", "b"], [])).toBe("a  b\n");
});

it("groups thousands the same in every locale", () => {
  expect(grouped(1_234_567)).toBe("1,234,567");
});

it("shows a share in percent, and a dash for a share of nothing", () => {
  const row = [0.99996, 1, 0, null].map(percent);
  expect(table(["a", "b", "c", "d"], [row])).toBe("     a    b  c  d\n99.996  100  0  –\n");
});
