import { expect, it } from "vitest";
import { ParlError } from "../../core/errors.ts";
import { parseQuery } from "../../gateway/query.ts";

function problemOf(query: string): { field: string | undefined; message: string } {
  try {
    parseQuery(query);
  } catch (error) {
    if (error instanceof ParlError) return { field: error.field, message: error.message };
    throw error;
  }
  throw new Error(`${query} was accepted`);
}

it("reads names and values, percent-encoded or with plus for a space", () => {
  const fields = parseQuery("key=a%20b+c&tenant=%C3%BC&tokens=3&&id=1&");
  expect([...fields]).toEqual([
    ["key", "a b c"],
    ["tenant", "ü"],
    ["tokens", 3],
    ["id", "1"],
  ]);
});

it("leaves a number of tokens that is none as it was written, to be refused as that", () => {
  for (const tokens of ["-1", "1.5", "NaN", "1e3", "0x10", " 1", "", "१"]) {
    expect(parseQuery(`tokens=${encodeURIComponent(tokens)}`).get("tokens")).toBe(tokens);
  }
  expect(parseQuery("tokens=9007199254740992").get("tokens")).toBe(9_007_199_254_740_992);
});

it.each([
  [
    "an unknown parameter, with the nearest known one",
    "kee=a",
    "kee",
    /there is no parameter "kee"; did you mean key\?/,
  ],
  ["an unknown parameter that is near none", "x=1", "x", /there are key, tenant, user, tokens, tier, id/],
  ["what JavaScript finds in every object", "key=a&__proto__=x", "__proto__", /no parameter "__proto__"/],
  ["a parameter given twice", "key=a&key=b", "key", /key is given twice/],
  ["a parameter given twice in two spellings", "key=a&%6Bey=b", "key", /key is given twice/],
  ["a broken escape", "key=%zz", "key", /key is not percent-encoded UTF-8: "%zz"; write % itself as %25/],
  ["an escape that ends early", "user=50%", "user", /user is not percent-encoded/],
  ["bytes that are no UTF-8", "tenant=%ff%fe", "tenant", /tenant is not percent-encoded UTF-8/],
  ["a broken name", "%=1", "query", /query is not percent-encoded/],
])("refuses %s", (_what, query, field, message) => {
  expect(problemOf(query)).toEqual({ field, message: expect.stringMatching(message) });
});
