import { describe, expect, it } from "vitest";
import { BENCH_FLAGS, measuredRow } from "../../bench/bench-command.ts";
import { freePort } from "../../bench/child.ts";
import { Flags } from "../../bench/flags.ts";
import type { Row } from "../../bench/row.ts";
import { parsePrometheusText, sumOf } from "../harness/prometheus-text.ts";

const SMALL = ["--keys", "20", "--rate", "5_000", "--duration", "2s", "--pace", "max"];

function row(...args: string[]): Promise<Row> {
  return measuredRow(new Flags(BENCH_FLAGS, args), () => performance.now() * 1000);
}

describe("a measured row", () => {
  it.each(["slog", "token", "leaky", "leaky-queue", "gcra"])("finds %s exact", async (algo) => {
    const { over_admit_pct, under_admit_pct, denied } = await row("--algo", algo, ...SMALL, "--window", "1s");
    expect([over_admit_pct, under_admit_pct]).toEqual([0, 0]);
    expect(denied).toBeGreaterThan(1_000);
  });

  it("finds the faults of the others where they are", async () => {
    const window = ["--window", "300ms"];
    const fixed = await row("--algo", "fixed", ...SMALL, ...window);
    const counter = await row("--algo", "scounter", ...SMALL, ...window);
    const conservative = await row("--algo", "cwindow", ...SMALL, ...window);
    expect(fixed.over_admit_pct).toBeGreaterThan(10);
    expect(fixed.under_admit_pct).toBe(0);
    expect(counter.over_admit_pct).toBeGreaterThan(0);
    expect(counter.over_admit_pct).toBeLessThan(fixed.over_admit_pct ?? NaN);
    expect(conservative.over_admit_pct).toBe(0);
    expect(conservative.under_admit_pct).toBeGreaterThan(0);
  });

  it("can hold a bucket to the window's yardstick", async () => {
    const args = ["--algo", "gcra", ...SMALL, "--window", "1s", "--envelope", "window"];
    expect((await row(...args)).over_admit_pct).toBeGreaterThan(50);
  });
});

describe("the metrics of a run", () => {
  it("can be read while it goes on, also from a backend that never waits", async () => {
    const port = await freePort();
    const running = row(
      "--algo",
      "gcra",
      "--rate",
      "2_000",
      "--duration",
      "1s",
      "--metrics-port",
      String(port),
    );
    const seen: number[] = [];
    const decided = async (): Promise<number> => {
      const text = await fetch(`http://127.0.0.1:${port}/metrics`).then((answer) => answer.text());
      seen.push(sumOf(parsePrometheusText(text), "parl_bench_decisions_total") ?? 0);
      return seen.at(-1)!;
    };
    await expect.poll(decided, { interval: 5, timeout: 10_000 }).toBeGreaterThan(0);
    const { events } = await running;
    // In the middle of it: not before, not after.
    expect(seen.at(-1)).toBeLessThan(events);
    await expect(decided()).rejects.toThrow("fetch failed");
  });
});

describe("bad input", () => {
  it.each([
    [["--algo", "gcra", "--rate", "0"], /^--rate must be a number above 0/],
    [["--algo", "gcra", "--window", "0s"], /^--window must be a duration above 0/],
    [
      ["--algo", "gcra", "--burst", "2", "--cost", "3"],
      /^--burst must be at least the highest cost in the trace, 3, got 2/,
    ],
    [["--algo", "fixed", "--limit", "2", "--cost", "1..3"], /^--limit must be at least the highest cost/],
    [
      ["--algo", "gcra", "--limit", "9", "--rate", "1", "--duration", "1us"],
      /^--duration leaves the trace without/,
    ],
    [["--algo", "gcra", "--trace", "t", "--rate", "1"], /^--rate describes a trace to be made; leave it out/],
    [["--algo", "gcra", "--backend", "valkey"], /^--backend must be one of local, redis/],
    [["--algo", "gcra", "--batch", "8"], /^--batch goes with --backend redis/],
    [["--algo", "gcra", "--clock", "redis"], /^--clock redis goes with --backend redis/],
    [
      ["--algo", "gcra", "--backend", "redis", "--batch", "1025"],
      /^--batch must be a whole number of at least 1 and at most 1024/,
    ],
    [
      ["--algo", "gcra", "--backend", "redis", "--redis", "0"],
      /^--redis must be a number of servers to start/,
    ],
    [
      ["--algo", "gcra", "--backend", "redis", "--redis", "redis://127.0.0.1:1"],
      /^no connection to Redis .*: is a Redis at 127\.0\.0\.1:1\?/,
    ],
    [["--algo", "gcra", "--sped", "1"], /^--sped is not a flag/],
    [["--algo", "gcra", "--trace", "/nowhere"], /^cannot read trace \/nowhere: ENOENT/],
  ])("%j names the flag and the way out", async (args, message) => {
    const failed = Promise.resolve().then(() => row(...args));
    await expect(failed).rejects.toMatchObject({
      name: "ParlError",
      message: expect.stringMatching(message),
    });
  });
});
