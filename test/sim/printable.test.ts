import { expect, it } from "vitest";
import { printable } from "../../sim/printable.ts";

it("shows text that a terminal would obey as what it is", () => {
  expect(printable("\u001B[2Jgone\r\n\u0000", 40)).toBe("\\u{1b}[2Jgone\\u{d}\\u{a}\\u{0}");
  expect(printable("a\u202Eb\u2028c\u009B", 40)).toBe("a\\u{202e}b\\u{2028}c\\u{9b}");
});

it("leaves ordinary text alone and shortens long text", () => {
  expect(printable("Grüße, 世界 👋", 40)).toBe("Grüße, 世界 👋");
  expect(printable("abcdef", 4)).toBe("abc…");
});
