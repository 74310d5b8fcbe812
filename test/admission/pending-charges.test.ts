import { expect, it } from "vitest";
import { PendingCharges } from "../../admission/pending-charges.ts";

it("sums what waiting checks will charge, by policy and key, and forgets what was taken back", () => {
  const pending = new PendingCharges();
  expect(pending.pendingOf(0, 1, 1)).toBe(0);
  pending.add(0, 1, 1, 5);
  pending.add(0, 1, 1, 2);
  pending.add(1, 1, 1, 9);
  pending.add(0, 1, 2, 0);
  expect([pending.pendingOf(0, 1, 1), pending.pendingOf(1, 1, 1), pending.pendingOf(0, 2, 1)]).toEqual([
    7, 9, 0,
  ]);
  expect(pending.keys).toBe(2);
  pending.remove(0, 1, 1, 5);
  expect(pending.pendingOf(0, 1, 1)).toBe(2);
  pending.remove(0, 1, 1, 2);
  pending.remove(0, 1, 1, 2);
  pending.remove(1, 1, 1, 9);
  expect(pending.keys).toBe(0);
});
