import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ODD_REASONS, parseAccessLine, renderAccessLine } from "../../sim/access-log.ts";
import { renderLogTime } from "../../sim/log-time.ts";
import { micros } from "../../core/units.ts";

const printable = fc.string({ unit: "grapheme", maxLength: 12 });
/** Text between quotes, escaped as Apache escapes it. */
const quoted = printable.map((text) => text.replaceAll("\\", "\\\\").replaceAll('"', String.raw`\"`));
const word = fc.stringMatching(/^[!#-Z^-~]{1,20}$/);
const orDash = (arbitrary: fc.Arbitrary<number>): fc.Arbitrary<string> =>
  fc.oneof(arbitrary.map(String), fc.constant("-"));

const time = fc
  .record({
    s: fc.integer({ min: 86_400, max: 7_258_000_000 }),
    zoneMinutes: fc.integer({ min: -720, max: 840 }),
  })
  .map(({ s, zoneMinutes }) => renderLogTime({ atUs: micros(s * 1_000_000), zoneMinutes }));

const status = orDash(fc.integer({ min: 100, max: 599 }));
const bytes = orDash(fc.nat());
const names = fc.tuple(
  word,
  word,
  fc.array(word, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(" ")),
);
const common = fc
  .tuple(names, time, quoted, status, bytes)
  .map(([who, at, request, code, size]) => `${who.join(" ")} [${at}] "${request}" ${code} ${size}`);
const validLine = fc.oneof(
  common,
  fc.tuple(common, quoted, quoted).map(([head, referer, agent]) => `${head} "${referer}" "${agent}"`),
);

/** What the format is made of, where it does not belong. */
const patch = fc.string({ unit: fc.constantFrom(...'"\\ []-/:+9Z\r\0\uFFFD'.split("")), maxLength: 5 });

describe("the access log parser", () => {
  it("gives back every valid line, bare or wrapped in quotes", () => {
    fc.assert(
      fc.property(validLine, (line) => {
        const parsed = parseAccessLine(line);
        expect(parsed).toBeTypeOf("object");
        if (typeof parsed === "string") return;
        expect(renderAccessLine(parsed)).toBe(line);
        expect(parseAccessLine(`"${line}"`)).toEqual(parsed);
      }),
      { numRuns: 1_000 },
    );
  });

  it("answers any bytes with a record or a reason, never an exception", () => {
    const soup = fc.uint8Array({ maxLength: 300 }).map((raw) => new TextDecoder().decode(raw));
    fc.assert(fc.property(soup, expectRecordOrReason), { numRuns: 2_000 });
  });

  it("answers any damage to a valid line with a record or a reason", () => {
    const damaged = fc.tuple(validLine, fc.nat(), fc.nat({ max: 20 }), patch).map(([line, at, cut, text]) => {
      const start = at % (line.length + 1);
      return line.slice(0, start) + text + line.slice(start + cut);
    });
    fc.assert(fc.property(damaged, expectRecordOrReason), { numRuns: 1_000 });
  });
});

function expectRecordOrReason(line: string): void {
  const parsed = parseAccessLine(line);
  if (typeof parsed === "string") {
    expect(ODD_REASONS).toContain(parsed);
  } else {
    expect(Number.isSafeInteger(parsed.atUs)).toBe(true);
    // What was understood renders to something understood alike.
    expect(parseAccessLine(renderAccessLine(parsed))).toEqual(parsed);
  }
}
