import { describe, expect, it } from "vitest";
import { ERROR_CODES, ParlError } from "../../core/errors.ts";
import { PackedReplyReader, PackedReplyWriter } from "../../core/packed-reply.ts";
import { answersRead } from "./reply-answers.ts";

const HEADER_BYTES = 32;
const ITEM_BYTES = 28;

function replyOf(write: (writer: PackedReplyWriter) => void): Uint8Array {
  const writer = new PackedReplyWriter();
  writer.begin(7, 1_700_000_000_000_001, 42);
  write(writer);
  return writer.finish();
}

function opened(reply: Uint8Array): PackedReplyReader {
  const reader = new PackedReplyReader();
  reader.open(reply);
  return reader;
}

const everyKind = replyOf((writer) => {
  const policy = writer.text("per-key");
  writer.decision("allowed", 1, policy, 100);
  writer.amounts(99, 250_000, 600_000);
  writer.decision("unsatisfiable", 2, policy, 0);
  writer.amounts(0, Infinity, 0);
  writer.decision("allowed", -1, -1, 0);
  writer.amounts(0, 0, 0);
  writer.error(new ParlError("PARL_OVERLOADED", "come back — später", { retryAfterMs: 100 }));
  writer.moved(63);
});

const EVERY_KIND = [
  {
    kind: "decision",
    outcome: "allowed",
    dimension: "key",
    text: "per-key",
    limit: 100,
    remaining: 99,
    waitUs: 250_000,
    resetAfterUs: 600_000,
  },
  {
    kind: "decision",
    outcome: "unsatisfiable",
    dimension: "org",
    text: "per-key",
    limit: 0,
    remaining: 0,
    waitUs: Infinity,
    resetAfterUs: 0,
  },
  {
    kind: "decision",
    outcome: "allowed",
    dimension: null,
    text: null,
    limit: 0,
    remaining: 0,
    waitUs: 0,
    resetAfterUs: 0,
  },
  { kind: "error", errorCode: "PARL_OVERLOADED", text: "come back — später", waitUs: 100_000 },
  { kind: "moved", shard: 63 },
];

/** The same reply as a newer version would send it, with items of another length. */
function widened(reply: Uint8Array, version: number, itemBytes: number): Uint8Array {
  const count = new DataView(reply.buffer, reply.byteOffset).getUint16(4, true);
  const items = Array.from({ length: count }, (_, item) => {
    const at = HEADER_BYTES + item * ITEM_BYTES;
    return [...reply.subarray(at, at + ITEM_BYTES), ...new Uint8Array(itemBytes - ITEM_BYTES).fill(0xee)];
  });
  const texts = reply.subarray(HEADER_BYTES + count * ITEM_BYTES);
  const wide = Uint8Array.from([...reply.subarray(0, HEADER_BYTES), ...items.flat(), ...texts]);
  wide.set([version, 0x81, itemBytes]);
  return wide;
}

describe("a packed reply", () => {
  it("is read as it was written", () => {
    const reader = opened(everyKind);
    const { epoch, decidedUs, sequence, count } = reader;
    expect({ epoch, decidedUs, sequence, count }).toEqual({
      epoch: 7,
      decidedUs: 1_700_000_000_000_001,
      sequence: 42,
      count: 5,
    });
    expect(answersRead(reader)).toEqual(EVERY_KIND);
  });

  it("carries a text once, however often it is said", () => {
    const reply = replyOf((writer) => {
      for (let i = 0; i < 1_000; i += 1) {
        writer.decision("allowed", 1, writer.text("per-key"), 1);
        writer.amounts(0, 0, 0);
      }
    });
    expect(reply.length).toBe(HEADER_BYTES + 1_000 * ITEM_BYTES + 2 + "per-key".length);
  });

  it("is read with its own texts by a reader that read others before", () => {
    // Alike in length, in bytes as UTF-16 codes, fewer, none, and the same again.
    const replies = [
      ["per-key", "per-user"],
      ["per-org"],
      ["\u00c3\u00a9"],
      ["\u00e9"],
      [],
      ["é", "per-key"],
    ];
    const reader = new PackedReplyReader();
    for (const texts of [...replies, ...replies]) {
      const reply = replyOf((writer) => {
        for (const text of texts) writer.decision("allowed", 1, writer.text(text), 1);
        writer.decision("allowed", -1, texts.length, 0);
      });
      reader.open(reply);
      expect(answersRead(reader).map(({ text }) => text)).toEqual([...texts, null]);
    }
  });

  it("of the next version, with longer items, is read as far as this version goes", () => {
    expect(answersRead(opened(widened(everyKind, 2, 41)))).toEqual(EVERY_KIND);
  });

  it.each([0, 3])("of version %i is refused with its number", (version) => {
    expect(() => opened(widened(everyKind, version, ITEM_BYTES))).toThrow(
      expect.objectContaining({ code: "PARL_UNSUPPORTED_VERSION", field: "version" }),
    );
  });

  it("reads a code or a dimension it does not know as one it does", () => {
    const newer = everyKind.slice();
    newer[HEADER_BYTES + 1] = 200;
    newer[HEADER_BYTES + 3 * ITEM_BYTES + 1] = ERROR_CODES.length;
    const answers = answersRead(opened(newer));
    expect(answers[0]).toMatchObject({ kind: "decision", dimension: null });
    expect(answers[3]).toMatchObject({ kind: "error", errorCode: "PARL_INTERNAL" });
  });

  it.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array(0)],
    ["half a header", everyKind.subarray(0, HEADER_BYTES - 1)],
    ["a request", Uint8Array.of(1, 0, ...everyKind.subarray(2))],
    ["items that are cut off", everyKind.subarray(0, HEADER_BYTES + 4 * ITEM_BYTES)],
    ["texts that are cut off", everyKind.subarray(0, -1)],
    ["items too short to be answers", Uint8Array.of(1, 0x81, ITEM_BYTES - 1, ...everyKind.subarray(3))],
  ])("of %s is refused", (_, reply) => {
    expect(() => opened(reply)).toThrow(expect.objectContaining({ code: "PARL_INTERNAL", field: "message" }));
  });

  it("says so many errors in words and the others by their codes", () => {
    const message = "m".repeat(1_000);
    const reply = replyOf((writer) => {
      for (let i = 0; i < 40; i += 1) writer.error(new ParlError("PARL_INVALID_ARGUMENT", `${message}${i}`));
    });
    const answers = answersRead(opened(reply));
    expect(answers.every(({ errorCode }) => errorCode === "PARL_INVALID_ARGUMENT")).toBe(true);
    expect(answers.filter(({ text }) => text !== null).length).toBe(32);
  });
});
