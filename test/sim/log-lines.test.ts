import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LINE_BYTES_MAX, LogLines } from "../../sim/log-lines.ts";

function linesOf(chunks: readonly Uint8Array[]): [text: string, isTooLong: boolean][] {
  const lines: [string, boolean][] = [];
  const splitter = new LogLines((text, isTooLong) => lines.push([text, isTooLong]));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

const bytesOf = (length: number): Uint8Array => new Uint8Array(length).fill(0x61);

describe("the lines of a stream", () => {
  it("do not depend on where the stream is cut into chunks", () => {
    const text = fc.array(
      fc.string({ unit: "grapheme", maxLength: 12 }).filter((line) => !line.includes("\n")),
    );
    fc.assert(
      fc.property(text, fc.array(fc.nat({ max: 9 })), fc.boolean(), (lines, cuts, closed) => {
        const bytes = new TextEncoder().encode(
          lines.map((line) => `${line}\n`).join("") + (closed ? "" : "last"),
        );
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const cut of cuts) chunks.push(bytes.slice(at, (at += cut)));
        chunks.push(bytes.slice(at));
        const texts = linesOf(chunks).map(([line]) => line);
        expect(texts).toEqual(closed ? lines : [...lines, "last"]);
      }),
    );
  });

  it("are whole at a mebibyte and cut off beyond it", () => {
    const end = Uint8Array.of(0x0a);
    const lines = linesOf([
      bytesOf(LINE_BYTES_MAX),
      end,
      bytesOf(LINE_BYTES_MAX),
      bytesOf(5),
      bytesOf(7),
      end,
      bytesOf(3),
    ]);
    expect(lines.map(([text, isTooLong]) => [text.length, isTooLong])).toEqual([
      [LINE_BYTES_MAX, false],
      [LINE_BYTES_MAX + 1, true],
      [3, false],
    ]);
  });

  it("hold bytes that are no text without complaint", () => {
    expect(linesOf([Uint8Array.of(0xff, 0x00, 0x0a, 0xc3)])).toEqual([
      ["\uFFFD\u0000", false],
      ["\uFFFD", false],
    ]);
  });
});
