import { expect, it } from "vitest";
import { answeredAgainMs, longestGap } from "../../../sim/faults/liveness-check.ts";
import { call } from "./calls.ts";

const ask = (shard: number, atMs: number, isAnswered = true) =>
  call("probe", atMs, isAnswered ? { shard } : { shard, outcome: "failed", code: "PARL_UNAVAILABLE" });

it("finds the longest silence of any shard, errors being no verdicts", () => {
  const steady = [0, 100, 200, 300, 400].map((atMs) => ask(1, atMs));
  const broken = [ask(2, 0), ask(2, 100, false), ask(2, 200, false), ask(2, 350)];
  expect(longestGap([...steady, ...broken], [1, 2])).toEqual({ ms: 350, shard: 2, fromMs: 1 });
});

it("counts the silence of a shard that never answers, and the one at the end", () => {
  expect(longestGap([ask(1, 0), ask(1, 400), ask(2, 0, false)], [1, 2])).toMatchObject({ ms: 401, shard: 2 });
  expect(longestGap([ask(1, 0), ask(2, 0), ask(1, 150), ask(1, 300)], [1, 2])).toMatchObject({
    ms: 300,
    shard: 2,
  });
});

it("measures a takeover up to the last shard that answers a call made after the fault", () => {
  const calls = [ask(1, 90), ask(1, 120), ask(2, 110, false), ask(2, 250)];
  expect(answeredAgainMs(calls, [1, 2], 100_000)).toBe(151);
  expect(answeredAgainMs(calls, [1, 3], 100_000)).toBe(Infinity);
});
