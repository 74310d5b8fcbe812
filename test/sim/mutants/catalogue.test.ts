/** The table of mutants goes with the code: what it names is there, and a bug in it would be one. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { MUTANTS } from "../../../sim/mutants/catalogue.ts";
import { planted, ROOT } from "../../../sim/mutants/mutant.ts";

it.each(MUTANTS)("$name can be planted, and has a test to turn red", (mutant) => {
  const { name, breaks, file, test } = mutant;
  const source = readFileSync(join(ROOT, file), "utf8");
  const bug = planted(source, mutant);
  expect(bug.replaceAll(/\s/g, "")).not.toBe(source.replaceAll(/\s/g, ""));
  expect(name).toMatch(/^[a-z]+(?:-[a-z]+)+$/);
  expect(breaks).toMatch(/^[A-Z].*[^.]$/);
  // A run that starts servers takes too long, and servers do not have the bug.
  expect(test).toMatch(/^test\/.*(?<!\.int)\.test\.ts$/);
  expect(existsSync(join(ROOT, test)), test).toBe(true);
});

it("names every mutant once", () => {
  const names = MUTANTS.map(({ name }) => name);
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
});
