import { expect, it } from "vitest";
import { runBench } from "./run-bench.ts";

it("bench:decision compares one algorithm with every peer and prints ratios and targets", async () => {
  const small = ["--keys", "2_000", "--rounds", "1", "--decisions", "2_000", "--limit", "50"];
  const { code, stdout, stderr } = await runBench("decision.ts", "--algo", "gcra", ...small, "--json");
  expect([code, stderr]).toEqual([0, ""]);
  const { machine, rows } = JSON.parse(stdout) as { machine: object; rows: Record<string, unknown>[] };
  expect(machine).toMatchObject({ node: process.version });
  expect(rows.map((row) => row["contestant"])).toEqual([
    "gcra",
    "rate-limiter-flexible",
    "express-rate-limit",
    "map",
  ]);
  for (const row of rows) {
    expect(row["decisions_per_s"]).toBeGreaterThan(0);
    // All decide the same limit over the same draws (GCRA lets its burst through and no more: time stands still).
    expect(row["denied_pct"]).toBe(rows[0]!["denied_pct"]);
  }
  expect(rows[0]!["denied_pct"]).toBeGreaterThan(0);
  expect(rows[0]!["times_map"]).toBeGreaterThan(0);
  expect(rows[3]!["times_map"]).toBeNull();
});
