import { expect, it } from "vitest";
import { micros } from "../../core/units.ts";
import { REDIS_ALGORITHMS, type RedisLimiterParams } from "../../lua/limiter-params.ts";
import { RedisKeys } from "../../lua/redis-keys.ts";

function keys(policy: string, change: Partial<RedisLimiterParams> = {}): RedisKeys {
  return new RedisKeys(policy, { algorithm: "gcra", limit: 100, windowUs: micros(60_000_000), ...change });
}

it("a key says whose it is, under which policy, and how its state is read", () => {
  expect(keys("per-key").of("alice")).toBe("parl:{alice}:per-key:gcra:zq0ao");
});

it("only the id is hashed to a slot, whatever characters it has", () => {
  for (const id of ["alice", "}", "{}", "a}b{c", "Δ", "x".repeat(300)]) {
    const tags = REDIS_ALGORITHMS.map((algorithm) => /\{(.+?)\}/.exec(keys("p", { algorithm }).of(id))?.[1]);
    expect(new Set(tags).size).toBe(1);
    expect(tags[0]).toMatch(/^[A-Za-z0-9_~-]+$/);
  }
});

it("state of another algorithm, window or number of sub-windows is another key", () => {
  const all = [
    keys("p"),
    keys("q"),
    keys("p", { algorithm: "token-bucket" }),
    keys("p", { windowUs: micros(60_000_001) }),
    keys("p", { algorithm: "conservative-window" }),
    keys("p", { algorithm: "conservative-window", subWindows: 5 }),
  ];
  expect(new Set(all.map((names) => names.of("k"))).size).toBe(all.length);
});

it("a changed limit or burst finds the state there is", () => {
  expect(keys("p", { limit: 7, burst: 9 }).of("k")).toBe(keys("p").of("k"));
  const ten = keys("p", { algorithm: "conservative-window", subWindows: 10 });
  expect(ten.of("k")).toBe(keys("p", { algorithm: "conservative-window" }).of("k"));
});

it("ids that differ have keys that differ", () => {
  const ids = [
    "k",
    "K",
    "k ",
    "k:",
    "0",
    "__proto__",
    "k\0",
    "~k",
    "k}",
    "{k}",
    "k".repeat(300),
    "k".repeat(301),
  ];
  expect(new Set(ids.map((id) => keys("p").of(id))).size).toBe(ids.length);
});

it("keys of tenants are of their own, whatever tenants and keys are called", () => {
  expect(keys("per-key").ofOwner("acme.key.alice")).toBe("parl:{acme.key.alice}:per-key:gcra:zq0ao");
  expect(RedisKeys.ofAnswer("acme", "r1")).toBe("parl:{acme}:id:r1");
  const all = [
    keys("id").of("acme"),
    keys("id").of("acme.key.alice"),
    keys("id").ofOwner("acme.key.alice"),
    keys("id").ofOwner("acme._org"),
    RedisKeys.ofAnswer("acme", "gcra"),
    RedisKeys.ofAnswer("acme", "zq0ao"),
  ];
  expect(new Set(all).size).toBe(all.length);
});

it("what is no id is refused by name", () => {
  expect(() => keys("p").of("")).toThrow(expect.objectContaining({ field: "key" }));
  expect(() => keys("p").of("\ud800")).toThrow(expect.objectContaining({ code: "PARL_INVALID_ARGUMENT" }));
  expect(() => keys("")).toThrow(expect.objectContaining({ field: "policy" }));
});
