import * as fc from "fast-check";
import { expect, it } from "vitest";
import { fnv1aBytes, fnv1aString } from "../../core/fnv1a.ts";

it("gives the published 32-bit values", () => {
  const published = {
    "": 0x811c9dc5,
    a: 0xe40c292c,
    b: 0xe70c2de5,
    fo: 0x6222e842,
    foo: 0xa9f37ed7,
    foob: 0x3f5076ef,
    fooba: 0x39aaa18a,
    foobar: 0xbf9cf968,
  };
  for (const [text, hash] of Object.entries(published)) expect(fnv1aString(text), text).toBe(hash);
});

it("can be handed on from one token to the next, as bytes or as text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary-ascii" }), fc.string({ unit: "binary-ascii" }), (first, second) => {
      const bytes = new TextEncoder().encode(`..${first}${second}`);
      const whole = fnv1aString(first + second);
      expect(fnv1aString(second, fnv1aString(first))).toBe(whole);
      expect(fnv1aBytes(bytes, 2, bytes.length)).toBe(whole);
      expect(fnv1aBytes(bytes, 2 + first.length, bytes.length, fnv1aString(first))).toBe(whole);
    }),
    { numRuns: 1_000 },
  );
});
