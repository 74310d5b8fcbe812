import { describe, expect, it } from "vitest";
import {
  decodeEpoch,
  decodeError,
  decodeMessage,
  encodeEpoch,
  encodeError,
  encodeMessage,
  envelopeOf,
  MESSAGE_BYTES_MAX,
  MESSAGE_KINDS,
  PAYLOAD_BYTES_MAX,
} from "../../../actors/handoff/messages.ts";
import { ParlError } from "../../../core/errors.ts";
import { Prng } from "../../../core/prng.ts";
import { mutatedBytes, surrounded, withoutStackTraces } from "../../core/mutated-bytes.ts";
import { A, bytesFrom, messageFrom } from "./recording-outbox.ts";

const PAGE = messageFrom(A, "page", { number: 3, count: 9, payload: Uint8Array.of(1, 2, 3) });

describe("handoff messages", () => {
  it.each(MESSAGE_KINDS)("carry a %s", (kind) => {
    const message = { ...PAGE, kind };
    expect(decodeMessage(surrounded(encodeMessage(message), 0xff))).toEqual(message);
  });

  it("have room for the largest payload and a name, and no more", () => {
    const from = { id: "m".repeat(32), incarnation: 2 ** 53 - 1 };
    const payload = new Uint8Array(PAYLOAD_BYTES_MAX);
    const bytes = encodeMessage({ ...PAGE, from, payload });
    expect(bytes.length).toBe(MESSAGE_BYTES_MAX);
    expect(decodeMessage(bytes).from).toEqual(from);
    const larger = encodeMessage({ ...PAGE, from, payload: new Uint8Array(PAYLOAD_BYTES_MAX + 1) });
    expect(() => decodeMessage(larger)).toThrow(/at most 262144 bytes, got 262145/);
  });

  it.each<[string, string, (bytes: Uint8Array) => Uint8Array]>([
    ["cut short within the header", "PARL_MALFORMED", (bytes) => bytes.subarray(0, 35)],
    ["cut short within the payload", "PARL_MALFORMED", (bytes) => bytes.subarray(0, -1)],
    ["with something behind it", "PARL_MALFORMED", (bytes) => Uint8Array.of(...bytes, 0)],
    ["of the next version", "PARL_UNSUPPORTED_VERSION", (bytes) => bytes.with(0, 3)],
    ["of version 0", "PARL_UNSUPPORTED_VERSION", (bytes) => bytes.with(0, 0)],
    ["of another kind than it was sealed as", "PARL_MALFORMED", (bytes) => bytes.with(1, 0)],
    ["under another number", "PARL_MALFORMED", (bytes) => bytes.with(8, 4)],
    ["with a wrong byte", "PARL_MALFORMED", (bytes) => bytes.with(bytes.length - 1, 4)],
    ["of an unnamed sender", "PARL_MALFORMED", () => bytesFrom({ id: "", incarnation: 1 }, "ack")],
    ["of a sender with a dot", "PARL_MALFORMED", () => bytesFrom({ id: "a.b", incarnation: 1 }, "ack")],
    ["of half an incarnation", "PARL_MALFORMED", () => bytesFrom({ id: "a", incarnation: 0.5 }, "ack")],
    ["of no transfer", "PARL_MALFORMED", () => bytesFrom(A, "ack", { transfer: Number.NaN })],
    ["of no exact transfer", "PARL_MALFORMED", () => bytesFrom(A, "ack", { transfer: 2 ** 60 })],
  ])("are refused %s", (_, code, change) => {
    const bytes = change(encodeMessage(PAGE));
    expect(() => decodeMessage(bytes)).toThrow(expect.objectContaining({ code, field: "handoff" }));
  });

  it("say which version is understood", () => {
    expect(() => decodeMessage(encodeMessage(PAGE).with(0, 9))).toThrow(
      /speaks version 9, version 2 is understood/,
    );
  });

  it("survive anything: decoded as sent, or a typed error", () => {
    const prng = new Prng(1);
    const bytes = encodeMessage(PAGE);
    const decoded = withoutStackTraces(() => {
      let count = 0;
      for (let i = 0; i < 20_000; i += 1) {
        const hostile = mutatedBytes(bytes, prng);
        envelopeOf(hostile);
        try {
          expect(decodeMessage(hostile)).toEqual(PAGE);
          count += 1;
        } catch (error) {
          if (!(error instanceof ParlError)) throw error;
        }
      }
      return count;
    });
    // Mutations that undo one another.
    expect(decoded).toBeLessThan(2_000);
  });

  it("carry an epoch", () => {
    expect(decodeEpoch(encodeEpoch(1_763_800_000_000_123))).toBe(1_763_800_000_000_123);
    for (const payload of [new Uint8Array(7), encodeEpoch(-1), encodeEpoch(0.5), encodeEpoch(Infinity)]) {
      expect(() => decodeEpoch(payload)).toThrow(expect.objectContaining({ code: "PARL_MALFORMED" }));
    }
  });

  it("carry an error, even one that only a newer peer knows", () => {
    const error = new ParlError("PARL_OVERLOADED", "zu viel – später", { retryAfterMs: 250 });
    const { code, message, retryAfterMs } = decodeError(encodeError(error));
    expect([code, message, retryAfterMs]).toEqual(["PARL_OVERLOADED", "zu viel – später", 250]);
    expect(decodeError(encodeError(error).with(0, 200)).code).toBe("PARL_INTERNAL");
    expect(decodeError(encodeError(new ParlError("PARL_INTERNAL", "x".repeat(5_000)))).message).toHaveLength(
      1_024,
    );
    for (const length of [0, 7, 8 + 1_025]) {
      expect(() => decodeError(new Uint8Array(length))).toThrow(/carries an error of/);
    }
  });
});
