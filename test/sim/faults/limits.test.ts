import { expect, it } from "vitest";
import { parsePolicyText } from "../../../actors/policy-text.ts";
import { homeShard } from "../../../core/key.ts";
import {
  deniedPerCrash,
  LIMITS,
  policyFile,
  PROBE,
  probeKeys,
  subjectOf,
  type Limit,
} from "../../../sim/faults/limits.ts";

it("writes a policy file that says the same", () => {
  const { policies } = parsePolicyText(policyFile(), "policies.yaml");
  expect(policies.map(({ name, limit, windowUs }) => ({ name, limit, windowUs }))).toEqual(
    LIMITS.map(({ name, limit, windowUs }) => ({ name, limit, windowUs })),
  );
});

it("has a probe at home on every shard", () => {
  expect(probeKeys(64).map((key) => homeShard(PROBE, key, 64))).toEqual(
    Array.from({ length: 64 }, (_, i) => i),
  );
});

function named(name: string): Limit {
  return LIMITS.find((limit) => limit.name === name) as Limit;
}

it("knows what a crash may cost each kind of limit", () => {
  const names = ["window-key", "short-key", "fresh-key", "team-org"];
  expect(names.map((name) => deniedPerCrash(named(name)))).toEqual([3, Infinity, 0, 132]);
});

it("knows whose units a call takes", () => {
  expect(subjectOf(named("window-key"), { tenant: "window", key: "k" })).toBe("window/k");
  expect(subjectOf(named("people-user"), { tenant: "people", user: "u" })).toBe("people/u");
  expect(subjectOf(named("team-org"), { tenant: "team", key: "k" })).toBe("team");
  expect(subjectOf(named("planet-global"), { tenant: "planet-a", key: "k" })).toBe("everybody");
  expect(subjectOf(named("window-key"), { tenant: "gcra", key: "k" })).toBeUndefined();
});
