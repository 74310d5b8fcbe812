import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", "./test/totals-reporter.ts"],
    setupFiles: ["./test/fixed-seeds.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
