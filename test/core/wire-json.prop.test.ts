import * as fc from "fast-check";
import { expect, it } from "vitest";
import { TIERS } from "../../core/decision.ts";
import { ParlError } from "../../core/errors.ts";
import { encodeId, isIdToken } from "../../core/id.ts";
import { COST_MAX } from "../../core/packed-request.ts";
import { Prng } from "../../core/prng.ts";
import { encodeJson, parseJsonRequest, type JsonRequest } from "../../core/wire-json.ts";
import { mutatedBytes, randomBytes, surrounded, withoutStackTraces } from "./mutated-bytes.ts";

const ids = fc.string({ minLength: 1, maxLength: 70, unit: "grapheme" });
const optional = { requiredKeys: [] };
const requests = fc.record(
  {
    userId: ids,
    apiKey: ids,
    id: ids,
    tokens: fc.nat(COST_MAX),
    tier: fc.constantFrom(...TIERS),
  },
  optional,
);

it("reads every sound request as it was meant", () => {
  fc.assert(
    fc.property(requests, (request) => {
      const { userId, apiKey, id, tokens = 1, tier = "approximate" } = request;
      expect(parseJsonRequest(encodeJson(request), "alice")).toEqual({
        key: apiKey === undefined ? "alice" : encodeId(apiKey),
        user: userId === undefined ? "" : encodeId(userId),
        id: id === undefined ? "" : encodeId(id),
        cost: tokens,
        tier,
      });
    }),
    { numRuns: 1_000 },
  );
});

/** Field values that have broken parsers before. */
const HOSTILE = String.raw`
  -1 1.5 1e400 -0 9007199254740992 2147483648 null true [] {} "" "1" "__proto__" {"__proto__":{"polluted":1}}
  "\ud800" "\u0000" "a.b" "*" ">" [[[[[[[[]]]]]]]] {"toString":null} {"toJSON":1} "approximate" "${"x".repeat(300)}"
`
  .trim()
  .split(/\s+/);
const FIELDS = ["userId", "apiKey", "id", "tokens", "tier", "__proto__", "constructor", "toString", ""];

function hostileObject(prng: Prng): string {
  const pick = (list: readonly string[]): string => list[prng.below(list.length)] as string;
  const members = Array.from({ length: prng.below(5) }, () => `"${pick(FIELDS)}":${pick(HOSTILE)}`);
  return `{${members.join(",")}}`;
}

/** The request read, when there is one. Anything but a ParlError that names its field passes through. */
function read(bytes: Uint8Array): JsonRequest | undefined {
  try {
    return parseJsonRequest(bytes, "alice");
  } catch (error) {
    if (!(error instanceof ParlError) || error.field === undefined) throw error;
    return undefined;
  }
}

it("reads 35,000 hostile requests without failing, believing them, or changing what all objects are", () => {
  const prng = new Prng(20_261_124);
  const before = Object.getOwnPropertyNames(Object.prototype);
  const utf8 = new TextEncoder();
  const sound = fc.sample(requests, { seed: 1, numRuns: 200 }).map((request) => encodeJson(request));
  let refused = 0;
  for (let run = 0; run < 35_000; run += 1) {
    const hostile =
      run % 4 === 0
        ? randomBytes(prng, 40)
        : run % 4 === 1
          ? utf8.encode(hostileObject(prng))
          : mutatedBytes(sound[run % sound.length]!, prng);
    const request = withoutStackTraces(() => read(surrounded(hostile, 0x7d)));
    if (request === undefined) {
      refused += 1;
      continue;
    }
    const { key, user, id, cost, tier } = request;
    const isSound =
      [key, user, id].every((token) => token === "" || isIdToken(token)) &&
      TIERS.includes(tier) &&
      Number.isInteger(cost) &&
      cost >= 0 &&
      cost <= COST_MAX;
    if (!isSound) throw new Error(`run ${run} believed ${JSON.stringify(request)}`);
  }
  expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  expect(refused).toBeGreaterThan(10_000);
  expect(refused).toBeLessThan(34_000);
});
