import { expect, it } from "vitest";
import { runBench } from "./run-bench.ts";

it("bench:memory measures ours in one table and in 64, and the peers", async () => {
  const small = ["--keys", "50_000", "--peer-keys", "5_000"];
  const { code, stdout, stderr } = await runBench("memory.ts", "--algo", "fixed-window", ...small, "--json");
  expect([code, stderr]).toEqual([0, ""]);
  const { rows } = JSON.parse(stdout) as { rows: Record<string, number>[] };
  expect(rows.map((row) => [row["contestant"], row["shards"], row["keys"]])).toEqual([
    ["fixed-window", 1, 50_000],
    ["fixed-window", 64, 50_000],
    ["rate-limiter-flexible", 1, 5_000],
    ["express-rate-limit", 1, 5_000],
    ["map", 1, 5_000],
  ]);
  for (const row of rows) expect(row["peak_bytes_per_key"]).toBeGreaterThanOrEqual(row["bytes_per_key"]!);
  // Twelve bytes a slot, a load of at least 0.74; and never two whole arrays in every shard at once.
  expect(rows[0]!["own_bytes_per_key"]).toBeGreaterThan(12);
  expect(rows[0]!["own_bytes_per_key"]).toBeLessThan(40);
});
