import * as fc from "fast-check";
import { expect, it } from "vitest";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { encodeId } from "../../core/id.ts";
import { finestToken, homeShard } from "../../core/key.ts";
import { PackedRequestWriter } from "../../core/packed-request.ts";
import { millisCeil, US_PER_S } from "../../core/units.ts";
import { jsonMillis } from "../../core/wire-json.ts";
import { itemsOf, LoneShardActor, policiesOf, SHARDS } from "./lone-shard-actor.ts";

const names = fc.constantFrom("alice", "bob", "日本", "__proto__", "a.b", "x".repeat(100));
const asks = fc.record({
  verb: fc.constantFrom("check" as const, "check" as const, "check" as const, "report" as const),
  tenant: fc.constantFrom("acme", "~4pi6"),
  key: names,
  userId: fc.option(names, { nil: undefined }),
  tokens: fc.nat(8),
  id: fc.option(fc.constantFrom("i1", "i 2"), { nil: undefined, freq: 4 }),
  tier: fc.constantFrom("approximate" as const, "approximate" as const, "strong" as const),
  waitUs: fc.nat(2 * US_PER_S),
});
type Ask = typeof asks extends fc.Arbitrary<infer T> ? T : never;

const POLICIES = ALGORITHMS.map((algorithm, i) => {
  const dimension = ["user", "key", "org", "global"][i % 4] as string;
  return `name: p${i}, dimension: ${dimension}, algorithm: ${algorithm}, limit: ${8 + 4 * i}, window: ${1 + i}s`;
});

function byJson(lone: LoneShardActor, ask: Ask): Record<string, unknown> {
  const { userId, tokens, id, tier } = ask;
  return lone.json(ask.verb, ask.tenant, encodeId(ask.key), { userId, tokens, id, tier }) as Record<
    string,
    unknown
  >;
}

/** The packed answer, in the words of the JSON one. */
function byFrame(lone: LoneShardActor, ask: Ask): Record<string, unknown> {
  const { verb, tenant, key, userId, tokens, id, tier } = ask;
  const user = userId === undefined ? "" : encodeId(userId);
  const writer = new PackedRequestWriter(verb);
  writer.add(tier, tokens, encodeId(key), user, id === undefined ? "" : encodeId(id));
  const shard = homeShard(tenant, finestToken(user, encodeId(key)), SHARDS);
  const [item] = itemsOf(lone.frame(tenant, shard, writer.take(0))) as [Record<string, any>];
  if (item["kind"] === "error") {
    return { error: { code: item["errorCode"], field: item["errorField"], message: item["text"] } };
  }
  const { outcome, dimension, text: policy, limit, remaining, waitUs, resetAfterUs } = item;
  const isAllowed = outcome === "allowed";
  const state = { remaining, limit, resetAfterMs: millisCeil(resetAfterUs), policy, dimension, region: "eu" };
  if (verb === "report") return { charged: tokens, ...state };
  return {
    ...state,
    allowed: isAllowed,
    outcome,
    retryAfterMs: isAllowed ? 0 : jsonMillis(waitUs),
    ...(isAllowed && waitUs > 0 ? { delayMs: millisCeil(waitUs) } : {}),
    tier,
    overshootMaxPct: 0,
  };
}

it("decides the same, asked in JSON or packed", () => {
  let errors = 0;
  fc.assert(
    fc.property(fc.array(asks, { minLength: 1, maxLength: 40 }), (history) => {
      const thin = new LoneShardActor(policiesOf(...POLICIES));
      const fat = new LoneShardActor(policiesOf(...POLICIES));
      for (const ask of history) {
        thin.nowUs += ask.waitUs;
        fat.nowUs += ask.waitUs;
        const answer = byJson(thin, ask);
        expect(byFrame(fat, ask)).toEqual(answer);
        if ("error" in answer) errors += 1;
      }
      expect(fat.region()).toEqual(thin.region());
    }),
    { numRuns: 150 },
  );
  expect(errors).toBeGreaterThan(0);
});
