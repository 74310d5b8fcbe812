import { expect, it } from "vitest";
import { micros } from "../../core/units.ts";
import { scriptNumbers, type RedisAlgorithm } from "../../lua/limiter-params.ts";
import { RedisKeys } from "../../lua/redis-keys.ts";
import { loadScript } from "../../lua/script-loader.ts";
import { ScriptProtocol, type Ask, type Mode } from "../../lua/script-protocol.ts";

function protocol(algorithm: RedisAlgorithm, ttlMinMs = 1): ScriptProtocol {
  const params = { algorithm, limit: 100, windowUs: micros(60_000_000) };
  return new ScriptProtocol(loadScript(algorithm).contract, {
    keys: new RedisKeys("p", params),
    numbers: { ...scriptNumbers(params), ttl_min_ms: ttlMinMs },
    limit: 100,
  });
}

it("a call is packed as the header says", () => {
  const call = protocol("gcra").pack("check", [
    { key: "a", cost: 3, nowUs: micros(1_753_267_200_123_456) },
    { key: "b", cost: 0 },
  ]);
  const keys = ["parl:{a}:p:gcra:zq0ao", "parl:{b}:p:gcra:zq0ao"];
  expect(call).toEqual([2, ...keys, "check", "100", "600000", "1", "1", "1753267200123456", "3", "0", "0"]);
});

it("a cost that is missing is no peek", () => {
  const ask = { key: "a" } as unknown as Ask;
  expect(() => protocol("gcra").pack("check", [ask])).toThrow(expect.objectContaining({ field: "cost" }));
});

it.each(["report", "refund"] as const)("a %s differs in one word", (mode) => {
  const [check, other] = (["check", mode] as const).map((as: Mode) =>
    protocol("fixed-window").pack(as, [{ key: "a", cost: 1 }]),
  );
  expect(other!.map((word, i) => (word === check![i] ? "" : word)).join("")).toBe(mode);
});

it("an answer is read as the header says", () => {
  expect(protocol("gcra").read("1 2 3 4")).toMatchObject({
    outcome: "denied",
    limit: 100,
    remaining: 2,
    retryAfterUs: 3,
    resetAfterUs: 4,
    delayUs: 0,
  });
  expect(protocol("leaky-queue").read("0 99 0 600000 1200000")).toMatchObject({ delayUs: 1_200_000 });
  expect(protocol("gcra").read("2 7 -1 0")).toMatchObject({
    outcome: "unsatisfiable",
    retryAfterUs: Infinity,
  });
});

it("an answer of another length is an error, not a decision", () => {
  expect(() => protocol("gcra").read("0 99 0 600000 0")).toThrow(
    expect.objectContaining({ code: "PARL_INTERNAL" }),
  );
});

it("numbers beyond what the header allows are refused when the limiter is made", () => {
  expect(() => protocol("gcra", 0)).toThrow(expect.objectContaining({ field: "ttlMinMs" }));
});

it("a header with a word nobody here knows is refused", () => {
  const { contract } = loadScript("gcra");
  const use = {
    keys: new RedisKeys("p", { algorithm: "gcra", limit: 1, windowUs: micros(1_000) }),
    numbers: {},
    limit: 1,
  };
  const field = { name: "mood", min: 0, max: 1, about: "" };
  expect(() => new ScriptProtocol({ ...contract, call: [], perKey: [field] }, use)).toThrow("mood");
  expect(() => new ScriptProtocol({ ...contract, call: [], returns: [field] }, use)).toThrow("mood");
});
