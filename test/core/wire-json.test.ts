import { describe, expect, it, onTestFinished } from "vitest";
import { ParlError } from "../../core/errors.ts";
import { encodeJson, errorBody, jsonMillis, JSON_BYTES_MAX, parseJsonRequest } from "../../core/wire-json.ts";

const utf8 = new TextEncoder();

function parse(text: string) {
  return parseJsonRequest(utf8.encode(text), "alice");
}

describe("a JSON request", () => {
  it("asks for one token of the key in the subject when it says nothing", () => {
    const plain = { key: "alice", user: "", cost: 1, tier: "approximate", id: "" };
    expect(parse("{}")).toEqual(plain);
    expect(parse(' {"userId":null,"apiKey":null,"id":null}\n')).toEqual(plain);
  });

  it("that is empty is refused: a payload lost on the way must charge nothing", () => {
    expect(() => parse("")).toThrow(expect.objectContaining({ code: "PARL_MALFORMED", field: "message" }));
  });

  it("says who asks for what, with ids as tokens", () => {
    const text = '{"userId":"ü","apiKey":"k1","tokens":5,"tier":"strong","id":"o-7"}';
    expect(parse(text)).toEqual({ key: "k1", user: "~w7w", cost: 5, tier: "strong", id: "o-7" });
  });

  it("takes every cost from 0 to 2^31 − 1", () => {
    expect([0, 2 ** 31 - 1].map((tokens) => parse(JSON.stringify({ tokens })).cost)).toEqual([
      0,
      2 ** 31 - 1,
    ]);
    expect(parse('{"tokens":1e3}').cost).toBe(1_000);
  });

  it.each(["token", "Tokens", "key", "cost", "__proto__", "constructor", "toString", ""])(
    "names a field that there is not, and those there are: %j",
    (name) => {
      for (const value of [5, null, { tokens: 7 }]) {
        const text = `{"tokens":1,${JSON.stringify(name)}:${JSON.stringify(value)}}`;
        expect(() => parse(text)).toThrow(
          expect.objectContaining({
            code: "PARL_INVALID_ARGUMENT",
            field: name,
            message: `there is no field ${JSON.stringify(name)}; there are tokens, userId, apiKey, tier, id`,
          }),
        );
      }
    },
  );

  it("takes a hostile name for a name", () => {
    const text = '{"apiKey":"__proto__","userId":"constructor"}';
    expect(parse(text)).toEqual({
      key: "~X19wcm90b19f",
      user: "constructor",
      cost: 1,
      tier: "approximate",
      id: "",
    });
  });

  it("says only what stands in it, not what all objects have", () => {
    const ours = { value: 7, configurable: true };
    const everyObject: object = Object.prototype;
    Object.defineProperties(everyObject, { tokens: ours, userId: ours });
    onTestFinished(() => {
      for (const name of ["tokens", "userId"]) Reflect.deleteProperty(everyObject, name);
    });
    expect(parse("{}")).toMatchObject({ cost: 1, user: "" });
  });

  it.each([
    ["tokens", '{"tokens":-1}'],
    ["tokens", '{"tokens":1.5}'],
    ["tokens", '{"tokens":9007199254740992}'],
    ["tokens", '{"tokens":2147483648}'],
    ["tokens", '{"tokens":1e999}'],
    ["tokens", '{"tokens":"1"}'],
    ["tokens", '{"tokens":null}'],
    ["tokens", '{"tokens":true}'],
    ["tokens", '{"tokens":[1]}'],
    ["apiKey", '{"apiKey":""}'],
    ["apiKey", '{"apiKey":5}'],
    ["apiKey", '{"apiKey":{"toString":1}}'],
    ["userId", '{"userId":["u"]}'],
    ["userId", '{"userId":false}'],
    ["id", '{"id":7}'],
    ["tier", '{"tier":"best"}'],
    ["tier", '{"tier":"__proto__"}'],
    ["tier", '{"tier":null}'],
    ["tier", '{"tier":0}'],
  ])("names %s when it is wrong: %s", (field, text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: "PARL_INVALID_ARGUMENT", field }));
    expect(() => parse(text)).toThrow(new RegExp(`^${field} must be .+, got `));
  });

  it.each([
    ["cut off", '{"tokens":1'],
    ["no number", '{"tokens":NaN}'],
    ["an array", "[1]"],
    ["a number", "1"],
    ["null", "null"],
    ["a text", '"alice"'],
    ["NUL", "\0"],
    ["two documents", "{}{}"],
    ["brackets without end", "[".repeat(JSON_BYTES_MAX)],
    ["an object without end", '{"a":'.repeat(JSON_BYTES_MAX / 5)],
  ])("is malformed when it is %s", (_, text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: "PARL_MALFORMED", field: "message" }));
  });

  it("is malformed when it is no UTF-8", () => {
    const bytes = Uint8Array.from(Buffer.from('{"apiKey":"\xff"}', "latin1"));
    expect(() => parseJsonRequest(bytes, "alice")).toThrow(
      expect.objectContaining({ code: "PARL_MALFORMED" }),
    );
  });

  it("is read up to 4 KiB, and not looked at beyond", () => {
    expect(parse(`{"tokens":2}${" ".repeat(JSON_BYTES_MAX - 12)}`).cost).toBe(2);
    for (const bytes of [JSON_BYTES_MAX + 1, 2 ** 20]) {
      expect(() => parseJsonRequest(new Uint8Array(bytes), "alice")).toThrow(
        expect.objectContaining({ code: "PARL_TOO_LARGE", field: "message" }),
      );
    }
  });
});

it("writes an error the same way everywhere, without what it does not know", () => {
  const error = new ParlError("PARL_OVERLOADED", "come back later", { retryAfterMs: 100 });
  expect(new TextDecoder().decode(encodeJson(errorBody(error)))).toBe(
    '{"error":{"code":"PARL_OVERLOADED","message":"come back later","retryAfterMs":100}}',
  );
});

it("writes durations in milliseconds that cover them, and no number for never", () => {
  expect([0, 1, 1_000, 1_001, Infinity].map(jsonMillis)).toEqual([0, 1, 1, 2, null]);
});
