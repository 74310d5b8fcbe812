import { describe, expect, it } from "vitest";
import { planted, type Mutant } from "../../../sim/mutants/mutant.ts";

const MUTANT: Mutant = {
  name: "off-by-one",
  breaks: "Three is three",
  file: "core/three.ts",
  find: "return 3;",
  replace: "return $&4$$;",
  test: "test/core/three.test.ts",
};

describe("a bug is planted", () => {
  it("in its one place, as it stands in the table", () => {
    expect(planted("const a = 1; return 3; // three", MUTANT)).toBe("const a = 1; return $&4$$; // three");
  });

  it("nowhere when there is no place for it, or more than one", () => {
    const rule = "find of the mutant off-by-one must be text that occurs once in core/three.ts";
    expect(() => planted("return 4;", MUTANT)).toThrow(`${rule} (it occurs 0 times), got "return 3;"`);
    expect(() => planted("return 3; return 3;", MUTANT)).toThrow(`${rule} (it occurs 2 times)`);
  });
});
