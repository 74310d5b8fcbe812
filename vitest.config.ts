import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", "./test/totals-reporter.ts"],
    setupFiles: ["./test/fixed-seeds.ts"],
    // Real servers on a busy machine may miss a moment; what is broken fails twice.
    retry: process.env["CI"] === undefined ? 0 : 1,
    // Tests with real servers wait most of their time: with one worker two cores would be idle half of it.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
