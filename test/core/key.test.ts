import { expect, it } from "vitest";
import { finestToken, globalShard, homeShard, orgShard, SHARDS_DEFAULT } from "../../core/key.ts";

it("places a token where the server's own partition mapping does", () => {
  // The example of the NATS documentation: neworders.* → neworders.{{wildcard(1)}}.{{partition(3,1)}}.
  const placed = ["customerid1", "customerid2", "customerid3"].map((token) => homeShard("", token, 3));
  expect(placed).toEqual([0, 2, 1]);
});

it("places tenant and key by their tokens run together, as the server does with several", () => {
  expect(homeShard("acme", "alice", SHARDS_DEFAULT)).toBe(homeShard("", "acmealice", SHARDS_DEFAULT));
  expect(orgShard("acme", 64)).toBe(homeShard("acme", "_org", 64));
  expect(globalShard(64)).toBe(homeShard("", "_global", 64));
});

it("uses all shards about equally", () => {
  const counts = Array.from({ length: SHARDS_DEFAULT }, () => 0);
  for (let key = 0; key < 64_000; key += 1) counts[homeShard("acme", `user-${key}`, SHARDS_DEFAULT)]! += 1;
  expect(Math.min(...counts)).toBeGreaterThan(800);
  expect(Math.max(...counts)).toBeLessThan(1_200);
});

it("places a check by its finest dimension: user, else key, else the whole tenant", () => {
  expect([finestToken("u", "k"), finestToken("", "k"), finestToken("", "")]).toEqual(["u", "k", "_org"]);
});
