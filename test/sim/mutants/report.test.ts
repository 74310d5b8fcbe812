import { describe, expect, it } from "vitest";
import type { Mutant } from "../../../sim/mutants/mutant.ts";
import { shownCatalogue, shownReport } from "../../../sim/mutants/report.ts";

function mutant(name: string): Mutant {
  const rest = { breaks: "Three is three", file: "core/three.ts", find: "3", replace: "4" };
  return { name, ...rest, test: "test/core/three.test.ts" };
}

describe("the report on mutants", () => {
  it("has a line for each, and says below what was not caught and why that matters", () => {
    const shown = shownReport([
      { mutant: mutant("seen"), verdict: { outcome: "caught", by: "three is three" }, tookMs: 1_234 },
      { mutant: mutant("unseen"), verdict: { outcome: "survived" }, tookMs: 900 },
      { mutant: mutant("odd"), verdict: { outcome: "unclear", why: "no test ran" }, tookMs: 60_000 },
    ]);
    expect(shown).toBe(`mutant  verdict   took    test                     caught by
seen    caught    1.2 s   test/core/three.test.ts  three is three
unseen  SURVIVED  0.9 s   test/core/three.test.ts
odd     UNCLEAR   60.0 s  test/core/three.test.ts

unseen: survived: test/core/three.test.ts is green though core/three.ts no longer keeps this: Three is three
odd: says nothing: no test ran
1 of 3 caught
`);
  });

  it("lists what there is, with the command that plants one", () => {
    expect(shownCatalogue([mutant("a"), mutant("b")]).split("\n")).toEqual([
      "mutant  the rule it breaks  planted in     must turn red",
      "a       Three is three      core/three.ts  test/core/three.test.ts",
      "b       Three is three      core/three.ts  test/core/three.test.ts",
      "",
      "One alone: npm run verify:mutants -- --only <mutant>",
      "",
    ]);
  });
});
