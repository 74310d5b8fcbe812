/** Closes a run with one plain line, `N passed, N failed`, for scripts that read the end of the output. */
import type { Reporter, TestModule } from "vitest/node";

export default class TotalsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const totals = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) totals[test.result().state] += 1;
      if (tests.length === 0 && module.state() === "failed") totals.failed += 1;
    }
    const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : "";
    console.log(`\n${totals.passed} passed, ${totals.failed} failed${skipped}`);
  }
}
