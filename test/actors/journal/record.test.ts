import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeRecord, encodeRecord, recordIn, type JournalRecord } from "../../../actors/journal/record.ts";
import { ParlError } from "../../../core/errors.ts";
import { micros } from "../../../core/units.ts";
import { foreignRecord, page, record, seal } from "./record-samples.ts";

const integers = fc.maxSafeNat();
const records: fc.Arbitrary<JournalRecord> = fc.record({
  kind: fc.constantFrom("opened", "states", "snapshot-start", "snapshot-end", "clean"),
  shard: fc.nat({ max: 65_535 }),
  epoch: integers,
  nowUs: integers.map(micros),
  number: fc.nat({ max: 2 ** 32 - 1 }),
  how: fc.constantFrom("fresh", "recovered", "continued", "exhausted", "rewritten"),
  takeovers: fc.array(fc.record({ atUs: integers.map(micros), times: fc.nat({ max: 2 ** 32 - 1 }) }), {
    maxLength: 32,
  }),
  pages: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
});

function codeOf(bytes: Uint8Array): string {
  try {
    decodeRecord(bytes);
    return "read";
  } catch (error) {
    if (!(error instanceof ParlError)) throw error;
    return error.code;
  }
}

describe("a journal record", () => {
  it("is read as it was written, wherever its bytes lie", () => {
    fc.assert(
      fc.property(records, fc.nat({ max: 9 }), (written, offset) => {
        const bytes = encodeRecord(written);
        const moved = new Uint8Array(bytes.length + offset + 5);
        moved.set(bytes, offset);
        const read = decodeRecord(moved.subarray(offset, offset + bytes.length));
        expect({ ...read, pages: read.pages.map((one) => [...one]) }).toEqual({
          ...written,
          pages: written.pages.map((one) => [...one]),
        });
      }),
    );
  });

  it("is refused with a typed error after any change of a few bits", () => {
    const bits = fc.array(fc.nat(), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(records, bits, (written, flips) => {
        const bytes = encodeRecord(written);
        const before = bytes.slice();
        for (const flip of flips) {
          const bit = flip % (8 * bytes.length);
          bytes[bit >>> 3] = (bytes[bit >>> 3] as number) ^ (1 << (bit & 7));
        }
        fc.pre(Buffer.compare(before, bytes) !== 0);
        expect(codeOf(bytes)).toBe("PARL_MALFORMED");
      }),
    );
  });

  it("is refused with a typed error when it is cut short, goes on, or is anything at all", () => {
    const bytes = encodeRecord(
      record({ kind: "opened", takeovers: [{ atUs: micros(5), times: 1 }], pages: [page("abc")] }),
    );
    for (let length = 0; length < bytes.length; length += 1) {
      expect(codeOf(bytes.subarray(0, length))).toBe("PARL_MALFORMED");
    }
    expect(codeOf(Uint8Array.of(...bytes, 0))).toBe("PARL_MALFORMED");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(codeOf(noise)).not.toBe("read");
      }),
    );
  });

  it("is not trusted for a right checksum: lengths, kinds and numbers are looked at", () => {
    const forgeries: [string, (view: DataView) => void][] = [
      ["a kind", (view) => view.setUint8(1, 5)],
      ["an opening", (view) => view.setUint8(28, 5)],
      ["more takeovers than bytes", (view) => view.setUint8(29, 200)],
      ["more pages than bytes", (view) => view.setUint16(30, 2, true)],
      ["fewer pages than bytes", (view) => view.setUint16(30, 0, true)],
      ["a page longer than the record", (view) => view.setUint32(32, 2 ** 32 - 1, true)],
      ["an epoch beyond 2^53", (view) => view.setUint32(12, 2 ** 31, true)],
    ];
    for (const [what, forge] of forgeries) {
      const bytes = encodeRecord(record({ pages: [page("abc")] }));
      forge(new DataView(bytes.buffer));
      seal(bytes);
      expect([what, codeOf(bytes)]).toEqual([what, "PARL_MALFORMED"]);
    }
  });

  it("of another version says so, not that it is damaged", () => {
    expect(() => decodeRecord(foreignRecord())).toThrow(/version 2, this program reads version 1/);
    expect([recordIn(foreignRecord()), recordIn(foreignRecord().with(20, 1))]).toEqual([
      "foreign",
      undefined,
    ]);
  });
});
