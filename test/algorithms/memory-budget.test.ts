import { expect, it } from "vitest";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";

it("grants up to its cap to the byte, and again what was given back", () => {
  const budget = new MemoryBudget(100);
  expect([budget.reserve(60), budget.reserve(41), budget.reserve(40)]).toEqual([true, false, true]);
  expect(budget.reserve(1)).toBe(false);
  budget.release(60);
  expect(budget.reserve(60)).toBe(true);
  expect(budget.bytesUsed).toBe(100);
});

it("counts what cannot be refused, and refuses everything else meanwhile", () => {
  const budget = new MemoryBudget(100);
  budget.force(150);
  expect([budget.bytesUsed, budget.reserve(1)]).toEqual([150, false]);
  budget.release(51);
  expect(budget.reserve(1)).toBe(true);
});
