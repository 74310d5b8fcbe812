import { expect, it } from "vitest";
import { assert, InvariantViolation } from "../../core/assert.ts";

it("passes what holds and throws an InvariantViolation for what does not", () => {
  expect(() => assert(true, "holds")).not.toThrow();
  expect(() => assert(false, "tat >= now")).toThrow(new InvariantViolation("tat >= now"));
});
