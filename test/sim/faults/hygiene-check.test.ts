import { expect, it } from "vitest";
import { checkHygiene } from "../../../sim/faults/hygiene-check.ts";

const actor = { title: "actor a", how: 0, wanted: [0], stderr: ["parl actor eu: policies reloaded"] };

it("finds nothing in a process that left as it should", () => {
  expect(checkHygiene([actor, { ...actor, how: "SIGKILL", wanted: ["SIGKILL"] }])).toEqual([]);
});

it("finds another exit code, and a process that never ended", () => {
  expect(checkHygiene([{ ...actor, how: 1 }])).toHaveLength(1);
  expect(checkHygiene([{ ...actor, how: "running" }])).toHaveLength(1);
});

it("finds a stack trace", () => {
  const stderr = ["TypeError: x is not a function", "    at step (file:///actors/actor.ts:10:3)"];
  expect(checkHygiene([{ ...actor, stderr }])[0]?.message).toContain("wrote a stack trace");
});
