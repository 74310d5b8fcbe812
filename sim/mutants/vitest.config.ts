/**
 * Vitest with one bug planted, that of the mutant which PARL_MUTANT names: its module is changed as it is loaded,
 * the source tree stays as it is.
 *
 *      admission/lender.ts ──▶ transform: find → replace ──▶ the tests that import it
 */
import { join } from "node:path";
import { defineConfig, type Plugin } from "vitest/config";
import { MUTANTS } from "./catalogue.ts";
import { planted, ROOT, type Mutant } from "./mutant.ts";

export default defineConfig({
  root: ROOT,
  plugins: MUTANTS.filter(({ name }) => name === process.env["PARL_MUTANT"]).map(planting),
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/fixed-seeds.ts", "sim/mutants/no-shrinking.ts"],
    // The same cases every time (fixed-seeds.ts): what is caught is caught again.
    env: { CI: "1" },
    bail: 1,
    retry: 0,
    // Kept by name of the plugins, not by what they do: one mutant's module would be another's.
    fsModuleCache: false,
    // One process, so that ending it ends all of it.
    pool: "threads",
    testTimeout: 30_000,
  },
});

function planting(mutant: Mutant): Plugin {
  const path = join(ROOT, mutant.file);
  return {
    name: "planted-bug",
    enforce: "pre",
    transform: (source, id) => (id === path ? { code: planted(source, mutant), map: null } : undefined),
  };
}
