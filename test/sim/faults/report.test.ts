import { expect, it } from "vitest";
import { shownReport } from "../../../sim/faults/report.ts";

it("shows each run's verdict and figures in a line, and what was broken below", () => {
  const run = {
    scenario: "kill",
    expects: "",
    seed: 1,
    isStalled: false,
    measured: { calls: 10, over_max: 0, crashes: 1 },
  };
  const violation = { check: "bound", subject: "team", message: "too much" } as const;
  const shown = shownReport([
    { ...run, isKept: true, violations: [] },
    { ...run, seed: 2, isKept: false, violations: [violation] },
    { ...run, seed: 3, isKept: true, violations: [], measured: { left_out: 1 } },
  ]);
  const lines = shown.split("\n");
  expect(lines[1]).toMatch(/^kill +1 +kept +10 .* crashes 1$/);
  expect(lines[2]).toMatch(/^kill +2 +BROKEN +10 /);
  expect(lines[3]).toMatch(/^kill +3 +left out +- .* left_out 1$/);
  expect(lines.slice(4)).toEqual(["", "kill (seed 2): bound: team: too much", ""]);
});
