import { describe, expect, it } from "vitest";
import {
  decodeFinal,
  encodeFinal,
  FINAL_CHUNKS_MAX,
  FinalAssembly,
  finalChunks,
  type FinalState,
} from "../../../actors/handoff/final-state.ts";
import { PAYLOAD_BYTES_MAX } from "../../../actors/handoff/messages.ts";
import { ParlError } from "../../../core/errors.ts";
import { Prng } from "../../../core/prng.ts";
import { micros } from "../../../core/units.ts";
import { mutatedBytes, withoutStackTraces } from "../../core/mutated-bytes.ts";

const FINAL: FinalState = {
  nowUs: micros(1_763_800_000_000_123),
  pages: 6,
  dirty: [Uint8Array.of(1, 2), Uint8Array.of(3)],
  answered: ["_INBOX.ä.1", "_INBOX.b.2", "_INBOX.ä.1"],
  loans: Uint8Array.of(4, 5),
  answeredIds: Uint8Array.of(6),
};
const NOTHING_SAID: FinalState = {
  ...FINAL,
  dirty: [],
  answered: [],
  loans: new Uint8Array(0),
  answeredIds: new Uint8Array(0),
};

describe("FINAL", () => {
  it.each([FINAL, NOTHING_SAID])("says what it was given", (state) => {
    expect(decodeFinal(encodeFinal(state))).toEqual(state);
  });

  it("is refused when anything is missing or too much", () => {
    const bytes = encodeFinal(FINAL);
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => decodeFinal(bytes.subarray(0, length)), `${length}`).toThrow(ParlError);
    }
    expect(() => decodeFinal(Uint8Array.of(...bytes, 0))).toThrow(/1 bytes after its end/);
  });

  it("is refused or read, whatever the bytes", () => {
    const prng = new Prng(2);
    const bytes = encodeFinal(FINAL);
    withoutStackTraces(() => {
      for (let i = 0; i < 20_000; i += 1) {
        try {
          decodeFinal(mutatedBytes(bytes, prng));
        } catch (error) {
          expect(error).toBeInstanceOf(ParlError);
        }
      }
    });
  });

  it("does not make room for what is only claimed", () => {
    const bytes = encodeFinal(NOTHING_SAID);
    new DataView(bytes.buffer).setUint32(12, 0xffff_ffff, true);
    expect(() => decodeFinal(bytes)).toThrow(/claims 4294967295 items/);
  });

  it("lists no more answered messages than a giver writes down", () => {
    const answered = Array.from({ length: 32_769 }, () => "r");
    expect(decodeFinal(encodeFinal({ ...FINAL, answered: answered.slice(1) })).answered.length).toBe(32_768);
    expect(() => decodeFinal(encodeFinal({ ...FINAL, answered }))).toThrow(/lists more than 32768 answered/);
  });

  it("travels in chunks that may come in any order, and twice", () => {
    const prng = new Prng(3);
    const loans = new Uint8Array(3 * PAYLOAD_BYTES_MAX);
    for (let i = 0; i < loans.length; i += 997) loans[i] = prng.u32();
    const final = encodeFinal({ ...FINAL, loans });
    const chunks = finalChunks(final);
    expect(chunks.length).toBe(4);
    const assembly = new FinalAssembly();
    for (const number of [3, 0, 0, 2, 3]) {
      expect(assembly.add(number, 4, chunks[number] as Uint8Array)).toBeUndefined();
    }
    expect(assembly.add(1, 4, chunks[1] as Uint8Array)).toEqual(final);
  });

  it.each([
    ["of none", 0, 0],
    ["beyond the last", 2, 2],
    ["of too many", 0, FINAL_CHUNKS_MAX + 1],
    ["of another count than before", 0, 3],
  ])("has no chunk %s", (_, number, count) => {
    const assembly = new FinalAssembly();
    assembly.add(0, 2, new Uint8Array(1));
    expect(() => assembly.add(number, count, new Uint8Array(1))).toThrow(
      expect.objectContaining({ code: "PARL_MALFORMED" }),
    );
  });

  it("is bounded", () => {
    const largest = new Uint8Array(FINAL_CHUNKS_MAX * PAYLOAD_BYTES_MAX);
    expect(finalChunks(largest)).toHaveLength(FINAL_CHUNKS_MAX);
    expect(() => finalChunks(new Uint8Array(largest.length + 1))).toThrow(
      expect.objectContaining({ code: "PARL_TOO_LARGE" }),
    );
  });
});
