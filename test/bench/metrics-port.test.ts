import { describe, expect, it } from "vitest";
import { openMetricsPort } from "../../bench/metrics-port.ts";
import { runMetrics } from "../../bench/run-metrics.ts";
import { RunTally } from "../../bench/run-tally.ts";
import { parsePrometheusText, sumOf } from "../harness/prometheus-text.ts";

const BACKEND = {
  roundTrips: 3,
  footprint: () => Promise.resolve({ liveKeys: 2, bytesPerKey: 200, redisUsedMem: 1_000 }),
};

function portOf(url: string): number {
  return Number(new URL(url).port);
}

describe("the metrics port", () => {
  it("tells what the run has come to so far", async () => {
    const tally = new RunTally();
    await using port = await openMetricsPort(0, async () => runMetrics(tally, BACKEND));
    tally.allowed = 60;
    tally.denied = 40;
    tally.latency.record(100, 99);
    tally.latency.record(5_000);
    const samples = parsePrometheusText(await (await fetch(port.url)).text());
    const told = (name: string, labels = {}): number | undefined =>
      sumOf(samples, `parl_bench_${name}`, labels);
    expect(told("decisions_total", { result: "allowed" })).toBe(60);
    expect(told("decisions_total", { result: "denied" })).toBe(40);
    expect(told("latency_seconds_count")).toBe(100);
    expect(told("latency_quantile_seconds", { quantile: "0.5" })).toBeCloseTo(112e-6);
    expect(told("latency_quantile_seconds", { quantile: "0.999" })).toBeGreaterThanOrEqual(5e-3);
    expect(told("round_trips_total")).toBe(3);
    expect(told("live_keys")).toBe(2);
    expect(told("redis_used_memory_bytes")).toBe(1_000);
  });

  it("tells nothing of a Redis where there is none, and no quantile of nothing", async () => {
    const local = {
      roundTrips: 0,
      footprint: () => Promise.resolve({ liveKeys: 0, bytesPerKey: 0, redisUsedMem: null }),
    };
    await using port = await openMetricsPort(0, async () => runMetrics(new RunTally(), local));
    const text = await (await fetch(port.url)).text();
    expect(text).toContain("parl_bench_decisions_total");
    expect(text).not.toMatch(/redis_used_memory_bytes|quantile="/);
  });

  it("says that Redis does not answer, rather than nothing", async () => {
    await using port = await openMetricsPort(0, () => Promise.reject(new Error("no connection to Redis")));
    const answer = await fetch(port.url);
    expect([answer.status, await answer.text()]).toEqual([503, "no connection to Redis\n"]);
    expect((await fetch(new URL("/", port.url))).status).toBe(404);
  });

  it("names the flag when the port is taken", async () => {
    await using port = await openMetricsPort(0, () => []);
    await expect(openMetricsPort(portOf(port.url), () => [])).rejects.toThrow(
      /^--metrics-port \d+ cannot be used: listen EADDRINUSE.*; choose another one$/,
    );
  });
});
