import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IdentityHash } from "../../core/half-sip-hash.ts";

const MASK = 0xffffffffn;
const ascii = fc.string({
  unit: fc.integer({ min: 0, max: 127 }).map((code) => String.fromCharCode(code)),
  maxLength: 40,
});
const seeds = fc.tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }));

describe("the BigInt twin", () => {
  it("gives the published HalfSipHash-2-4 with 64-bit output: key 00 … 07, input 00 01 02 …", () => {
    // halfsiphash vectors_hsip64, lengths 0 to 15.
    const published = [
      "218d1f59b9b83cc8",
      "be552412f8387315",
      "064f39ef7c50eb57",
      "ce0f1a45f7060679",
      "d5e78a175be52ea1",
      "cb9d7c3f2f3db580",
      "ce3e91358aa2bc25",
      "ff202728b07bc684",
      "edfee820bce4858c",
      "5b51cccc13888307",
      "95b0469f06a6f2ee",
      "ae26333994ddcd48",
      "7bc71f9faef5c799",
      "5a2352d75a0c3744",
      "3bb1a870eae8e658",
      "217d0bcb4e81c902",
    ];
    const computed = published.map((_, length) => {
      const [first, second] = halfSipHash(2, 4, [0x03020100n, 0x07060504n], bytesUpTo(length));
      return littleEndianHex(first) + littleEndianHex(second);
    });
    expect(computed).toEqual(published);
  });
});

it("is HalfSipHash-1-3: `high` its first word, `low` its second", () => {
  fc.assert(
    fc.property(seeds, fc.uint8Array({ maxLength: 40 }), ([seedHigh, seedLow], bytes) => {
      const hash = new IdentityHash(seedHigh, seedLow);
      hash.ofBytes(bytes, 0, bytes.length);
      const key = [BigInt(seedLow), BigInt(seedHigh)] as const;
      expect([hash.high >>> 0, hash.low >>> 0].map(BigInt)).toEqual(halfSipHash(1, 3, key, bytes));
    }),
    { numRuns: 2_000 },
  );
});

it("hashes a string, and a stretch of a buffer, as the bytes it is", () => {
  fc.assert(
    fc.property(seeds, ascii, fc.nat({ max: 5 }), ([seedHigh, seedLow], text, start) => {
      const ofString = new IdentityHash(seedHigh, seedLow);
      ofString.ofString("something longer before, which must leave nothing behind");
      ofString.ofString(text);
      const buffer = new Uint8Array(start + text.length + 5).fill(0xaa);
      buffer.set(new TextEncoder().encode(text), start);
      const ofBytes = new IdentityHash(seedHigh, seedLow);
      ofBytes.ofBytes(buffer, start, start + text.length);
      expect([ofBytes.high, ofBytes.low]).toEqual([ofString.high, ofString.low]);
    }),
    { numRuns: 1_000 },
  );
});

it("tells every split of a text into prefix and key apart, and chained prefixes from one", () => {
  const text = "acme:user:alice\0\0\x01:";
  const hash = new IdentityHash(1, 2);
  const seen = new Map<string, string>();
  const note = (from: string, keyed: IdentityHash, key: string): void => {
    keyed.ofString(key);
    const identity = `${keyed.high} ${keyed.low}`;
    expect(seen.get(identity) ?? from).toBe(from);
    seen.set(identity, from);
  };
  for (let length = 0; length <= text.length; length += 1) {
    for (let at = 0; at <= length; at += 1) {
      const [prefix, key] = [text.slice(0, at), text.slice(at, length)];
      note(JSON.stringify([prefix, key]), hash.withPrefix(prefix), key);
      note(JSON.stringify([prefix, prefix, key]), hash.withPrefix(prefix).withPrefix(prefix), key);
    }
  }
  expect(seen.size).toBe((2 * ((text.length + 1) * (text.length + 2))) / 2);
});

it("keeps the hash it was forked from", () => {
  const hash = new IdentityHash(1, 2);
  hash.ofString("k");
  const { high, low } = hash;
  hash.withPrefix("tenant").ofString("k");
  hash.ofString("k");
  expect([hash.high, hash.low]).toEqual([high, low]);
});

it("takes texts of up to 1,024 characters", () => {
  const hash = new IdentityHash(1, 2);
  hash.ofString("x".repeat(1_024));
  expect(() => hash.ofString("x".repeat(1_025))).toThrow(RangeError);
});

it("spreads neighbouring keys evenly over the table, in both halves", () => {
  const hash = new IdentityHash(1, 2);
  const buckets = { high: Array.from({ length: 64 }, () => 0), low: Array.from({ length: 64 }, () => 0) };
  for (let key = 0; key < 64_000; key += 1) {
    hash.ofString(`user-${key}`);
    buckets.high[hash.high >>> 26]! += 1;
    buckets.low[(hash.low >>> 0) % 64]! += 1;
  }
  // χ² with 63 degrees of freedom: beyond 130 once in a million honest hashes.
  for (const counts of Object.values(buckets)) {
    expect(counts.reduce((sum, count) => sum + (count - 1_000) ** 2 / 1_000, 0)).toBeLessThan(130);
  }
});

/** The algorithm as published, with any number of rounds, on unbounded integers. */
function halfSipHash(
  rounds: number,
  roundsClosing: number,
  [key0, key1]: readonly [bigint, bigint],
  bytes: Uint8Array,
): [bigint, bigint] {
  const v = [key0, key1 ^ 0xeen, 0x6c796765n ^ key0, 0x74656462n ^ key1] as [bigint, bigint, bigint, bigint];
  const scramble = (times: number): void => {
    for (let i = 0; i < times; i += 1) {
      v[0] = (v[0] + v[1]) & MASK;
      v[1] = rotated(v[1], 5n) ^ v[0];
      v[0] = rotated(v[0], 16n);
      v[2] = (v[2] + v[3]) & MASK;
      v[3] = rotated(v[3], 8n) ^ v[2];
      v[0] = (v[0] + v[3]) & MASK;
      v[3] = rotated(v[3], 7n) ^ v[0];
      v[2] = (v[2] + v[1]) & MASK;
      v[1] = rotated(v[1], 13n) ^ v[2];
      v[2] = rotated(v[2], 16n);
    }
  };
  const padded = [...bytes];
  while (padded.length % 4 !== 3) padded.push(0);
  padded.push(bytes.length % 256);
  for (let at = 0; at < padded.length; at += 4) {
    const word = padded.slice(at, at + 4).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    v[3] ^= word;
    scramble(rounds);
    v[0] ^= word;
  }
  v[2] ^= 0xeen;
  scramble(roundsClosing);
  const first = v[1] ^ v[3];
  v[1] ^= 0xddn;
  scramble(roundsClosing);
  return [first, v[1] ^ v[3]];
}

function rotated(word: bigint, bits: bigint): bigint {
  return ((word << bits) | (word >> (32n - bits))) & MASK;
}

function bytesUpTo(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i);
}

function littleEndianHex(word: bigint): string {
  const bytes = word.toString(16).padStart(8, "0").match(/../g) ?? [];
  return bytes.toReversed().join("");
}
