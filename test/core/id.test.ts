import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encodeId, decodeId, invalidToken, isIdToken, TOKEN_LENGTH_MAX } from "../../core/id.ts";

it("leaves a plain id as it is", () => {
  for (const id of ["alice", "0", "-", "A-b_9", "x".repeat(64), "constructor"]) {
    expect([encodeId(id), decodeId(id), isIdToken(id)]).toEqual([id, id, true]);
  }
});

it("encodes anything else as ~ and base64url, or ~~ and a hash when longer than 64 bytes", () => {
  const tokens = [
    ["a.b", "~YS5i"],
    ["*", "~Kg"],
    [">", "~Pg"],
    [" ", "~IA"],
    ["\0", "~AA"],
    ["~YS5i", "~fllTNWk"],
    ["__proto__", "~X19wcm90b19f"],
    ["_org", "~X29yZw"],
    ["😀", "~8J-YgA"],
    ["a\n", "~YQo"],
  ] as const;
  for (const [raw, token] of tokens) {
    expect(encodeId(raw), raw).toBe(token);
    expect(decodeId(token), raw).toBe(raw);
  }
  expect(encodeId("é".repeat(32))).toHaveLength(TOKEN_LENGTH_MAX);
  for (const raw of ["x".repeat(65), "é".repeat(33), "k".repeat(5_000)]) {
    const token = encodeId(raw);
    expect(token).toBe(`~~${createHash("sha256").update(raw).digest("base64url")}`);
    expect([isIdToken(token), decodeId(token)]).toEqual([true, undefined]);
  }
});

describe("refuses as a token", () => {
  it.each([
    ["nothing", ""],
    ["a token of ours", "_org"],
    ["text beside the alphabet", "a.b"],
    ["a wildcard", ">"],
    ["a trailing newline", "alice\n"],
    ["a second spelling of a plain id", "~YWxpY2U"],
    ["a second spelling of an encoded id", "~Kh"],
    ["padding", "~YS5i=="],
    ["bytes that are no UTF-8", "~_w"],
    ["half a base64 group", "~A"],
    ["a hash of the wrong length", `~~${"A".repeat(42)}`],
    ["~ alone", "~"],
    ["a plain id too long", "x".repeat(65)],
    ["an encoded id too long", `~${"A".repeat(88)}`],
  ])("%s", (_, token) => {
    expect(isIdToken(token)).toBe(false);
    expect(decodeId(token)).toBeUndefined();
  });
});

it("names the field of an id that is no text, whatever JavaScript would make of it", () => {
  for (const raw of ["", undefined, null, 5, ["a"], {}, true]) {
    expect(() => encodeId(raw as string, "userId"), JSON.stringify(raw)).toThrow(
      expect.objectContaining({ code: "PARL_INVALID_ARGUMENT", field: "userId" }),
    );
  }
});

it("says how a token looks", () => {
  expect(invalidToken("key", "a.b").message).toContain("[A-Za-z0-9_-]{1,64}");
});
