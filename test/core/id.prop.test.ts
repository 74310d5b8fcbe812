import * as fc from "fast-check";
import { expect, it } from "vitest";
import { fnv1aString } from "../../core/fnv1a.ts";
import { decodeId, encodeId, isIdToken, plainIdHash, TOKEN_LENGTH_MAX } from "../../core/id.ts";

/** Any text: plain ids, other tokens, every plane of Unicode, long ones. */
const texts = fc.oneof(
  fc.string({ minLength: 1, maxLength: 70, unit: "grapheme" }),
  fc.string({ minLength: 1, maxLength: 70, unit: fc.constantFrom(..."aZ09-_~.*> ".split("")) }),
  fc.string({
    minLength: 1,
    maxLength: 8,
    unit: fc.constantFrom("\ufeff", "\ufffd", "\u0000", "é", "😀", "~", "a"),
  }),
  fc.string({ minLength: 1, maxLength: 200, unit: "binary" }),
);

it("gives every text one token of its own, fit for a subject, which leads back to it", () => {
  fc.assert(
    fc.property(texts, (raw) => {
      const token = encodeId(raw);
      expect(token).toMatch(/^[A-Za-z0-9~-][A-Za-z0-9_~-]*$/);
      expect(token.length).toBeLessThanOrEqual(TOKEN_LENGTH_MAX);
      expect(isIdToken(token)).toBe(true);
      expect(decodeId(token)).toBe(new TextEncoder().encode(raw).length <= 64 ? raw : undefined);
    }),
    { numRuns: 5_000 },
  );
});

it("accepts a token only if it is the one its text gets", () => {
  const nearTokens = fc.oneof(
    fc.string({ maxLength: 90, unit: fc.constantFrom(..."~_-AZaz09".split("")) }),
    texts
      .map(encodeId)
      .chain((token) =>
        fc.nat({ max: token.length - 1 }).map((at) => `${token.slice(0, at)}A${token.slice(at + 1)}`),
      ),
  );
  fc.assert(
    fc.property(nearTokens, (token) => {
      const raw = decodeId(token);
      if (raw === undefined) expect(isIdToken(token)).toBe(token.startsWith("~~") && token.length === 45);
      else expect(encodeId(raw)).toBe(token);
    }),
    { numRuns: 5_000 },
  );
});

it("hashes a plain id, and no other, as its own token", () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: 0, max: 2 ** 32 - 1 }), (raw, hash) => {
      expect(plainIdHash(raw, hash)).toBe(encodeId(raw) === raw ? fnv1aString(raw, hash) : -1);
    }),
    { numRuns: 2_000 },
  );
  expect([plainIdHash("", 1), plainIdHash(5 as unknown as string, 1)]).toEqual([-1, -1]);
});

it("keeps texts that are no Unicode apart, or refuses them", () => {
  const lone = fc.integer({ min: 0xd800, max: 0xdfff }).map((code) => String.fromCharCode(code));
  fc.assert(
    fc.property(
      lone,
      fc.constantFrom("\ufffd", "\udfff"),
      fc.string({ maxLength: 3 }),
      (surrogate, other, rest) => {
        fc.pre(surrogate !== other);
        const tokens = [surrogate + rest, other + rest].map((raw) => {
          try {
            return encodeId(raw);
          } catch {
            return raw;
          }
        });
        expect(tokens[0]).not.toBe(tokens[1]);
      },
    ),
    { numRuns: 500 },
  );
});
