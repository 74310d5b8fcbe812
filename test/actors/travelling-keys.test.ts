import { expect, it } from "vitest";
import { travellingKeys } from "../../actors/travelling-keys.ts";
import { compilePolicies } from "../../admission/policy-set.ts";
import { ShardKeys } from "../../admission/shard-keys.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { Verdict } from "../../core/decision.ts";
import { Prng } from "../../core/prng.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { NOW_US, policiesOf } from "./lone-shard-actor.ts";

const PAGE_BYTES = 65_536;
const IDLE_KEYS = 100_000;

it("walks a table of keys that are as good as new in several steps, none of which holds up the checks", () => {
  const policies = policiesOf("name: a, dimension: key, algorithm: gcra, limit: 5, window: 1s");
  const keys = new ShardKeys(0, 0, compilePolicies(policies, 1), new MemoryBudget(Infinity));
  const verdict = new Verdict();
  const random = new Prng(2);
  for (let i = 0; i < IDLE_KEYS; i += 1)
    keys.limiter(0).decide(random.u32(), random.u32(), 1, micros(NOW_US), verdict);
  keys.limiter(0).evaluate(1, 1, 0, micros(NOW_US + 2 * US_PER_S), verdict);

  const travelling = travellingKeys(keys, () => micros(NOW_US));
  travelling.start();
  const reader = new StatePageReader();
  const counts: number[] = [];
  for (let page = travelling.nextPage(PAGE_BYTES); page; page = travelling.nextPage(PAGE_BYTES)) {
    reader.open(page);
    counts.push(reader.count);
  }
  expect(counts).toEqual([0, 0, 0]);
});
