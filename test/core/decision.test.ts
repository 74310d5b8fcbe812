import { expect, it } from "vitest";
import { Verdict } from "../../core/decision.ts";

it("copies a verdict whole, and no longer follows the original", () => {
  const verdict = new Verdict();
  const fields = { limit: 1, remaining: 2, retryAfterUs: 3, resetAfterUs: 4, delayUs: 5 };
  Object.assign(verdict, { outcome: "denied", ...fields });
  const copy = new Verdict();
  copy.copyFrom(verdict);
  Object.assign(verdict, new Verdict());
  expect(copy).toEqual(Object.assign(new Verdict(), { outcome: "denied", ...fields }));
});
