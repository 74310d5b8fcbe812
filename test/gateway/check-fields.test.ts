import { describe, expect, it } from "vitest";
import { ParlError } from "../../core/errors.ts";
import { checkFields } from "../../gateway/check-fields.ts";

function fieldsOf(given: Record<string, unknown>) {
  return checkFields(new Map(Object.entries(given)));
}

function problemOf(given: Record<string, unknown>): Pick<ParlError, "code" | "field" | "message"> {
  try {
    fieldsOf(given);
  } catch (error) {
    if (error instanceof ParlError) return { code: error.code, field: error.field, message: error.message };
    throw error;
  }
  throw new Error(`${JSON.stringify(given)} was accepted`);
}

it("fills in tenant, cost and tier where none is given", () => {
  expect(fieldsOf({ key: "alice" })).toEqual({
    tenant: "default",
    key: "alice",
    cost: 1,
    tier: "approximate",
  });
});

it("knows each field by its short name and by the wire's", () => {
  const expected = { tenant: "acme", key: "k1", user: "u1", id: "i1", cost: 5, tier: "strong" };
  const rest = { id: "i1", tokens: 5, tier: "strong" };
  expect(fieldsOf({ tenant: "acme", key: "k1", user: "u1", ...rest })).toEqual(expected);
  expect(fieldsOf({ tenantId: "acme", apiKey: "k1", userId: "u1", ...rest })).toEqual(expected);
});

it("takes a user without a key, and null as absent", () => {
  expect(fieldsOf({ user: "u1", key: null, tenant: null })).toMatchObject({ tenant: "default", user: "u1" });
});

describe("names the field at fault, as the caller spelled it", () => {
  it.each<[Record<string, unknown>, string, RegExp]>([
    [{}, "key", /key is missing \(or user\)/],
    [{ tenant: "acme" }, "key", /key is missing/],
    [{ key: "" }, "key", /key must be a non-empty string, got ""/],
    [{ apiKey: 7 }, "apiKey", /apiKey must be a non-empty string, got 7/],
    [{ key: "a", tenantId: {} }, "tenantId", /tenantId must be a non-empty string, got {}/],
    [{ key: "a", userId: ["b"] }, "userId", /userId must be a non-empty string/],
    [{ key: "a", id: false }, "id", /id must be a non-empty string, got false/],
    [{ key: "a", apiKey: "a" }, "apiKey", /apiKey is given and so is key/],
    [{ key: "a", tokens: -1 }, "tokens", /tokens must be a whole number from 0 to 2147483647, got -1/],
    [{ key: "a", tokens: 1.5 }, "tokens", /got 1\.5/],
    [{ key: "a", tokens: Number.NaN }, "tokens", /got NaN/],
    [{ key: "a", tokens: 2 ** 31 }, "tokens", /got 2147483648/],
    [{ key: "a", tokens: 2 ** 53 }, "tokens", /got 9007199254740992/],
    [{ key: "a", tokens: "1" }, "tokens", /got "1"/],
    [{ key: "a", tokens: null }, "tokens", /got null/],
    [{ key: "a", tier: "psychic" }, "tier", /tier must be one of approximate, leased, strong, got "psychic"/],
    [{ key: "a", tier: null }, "tier", /got null/],
    [
      { key: "a", token: 5 },
      "token",
      /^there is no field "token"; there are tenant, tenantId, key, .*tokens, /,
    ],
    [{ key: "a", cost: null }, "cost", /^there is no field "cost"; /],
    [{ kee: "a" }, "kee", /^there is no field "kee"; /],
    [{ key: "a", what: "key" }, "what", /^there is no field "what"; /],
  ])("%j", (given, field, message) => {
    expect(problemOf(given)).toEqual({
      code: "PARL_INVALID_ARGUMENT",
      field,
      message: expect.stringMatching(message),
    });
  });
});
