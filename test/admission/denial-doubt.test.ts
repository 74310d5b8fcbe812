import { expect, it } from "vitest";
import { DENIAL_DOUBTS, DenialDoubt, ELSEWHERE, FIRM, LENT, UNHEARD } from "../../admission/denial-doubt.ts";

it.each([
  [[FIRM], "firm"],
  [[LENT], "lent"],
  [[ELSEWHERE, LENT], "elsewhere"],
  [[LENT, UNHEARD, ELSEWHERE], "unheard"],
  // One policy that refuses for sure is enough.
  [[UNHEARD, FIRM], "firm"],
  [[FIRM, LENT, LENT], "firm"],
])("a denial by %j is as doubtful as its most doubtful refusal, unless one is firm", (refusals, doubt) => {
  const denial = new DenialDoubt();
  for (const refusal of refusals) denial.refused(refusal);
  expect(DENIAL_DOUBTS[denial.doubt]).toBe(doubt);
});

it("starts anew with every check", () => {
  const denial = new DenialDoubt();
  denial.refused(FIRM);
  denial.start();
  denial.refused(LENT);
  expect(denial.doubt).toBe(LENT);
  denial.start();
  expect(denial.doubt).toBe(FIRM);
});
