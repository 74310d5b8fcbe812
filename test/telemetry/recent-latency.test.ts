import { expect, it } from "vitest";
import { LatencyHistogram } from "../../core/latency-histogram.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import type { MetricFamily, ValueFamily } from "../../telemetry/metric.ts";
import { RecentLatency } from "../../telemetry/recent-latency.ts";

const seconds = (s: number) => micros(s * US_PER_S);

it("reads everything at first, and forgets what is older than a minute", () => {
  const total = new LatencyHistogram();
  const recent = new RecentLatency();
  const countAt = (s: number) => recent.read(total, seconds(s)).count;
  total.record(10, 5);
  expect(countAt(0)).toBe(5);
  total.record(10, 3);
  expect(countAt(10)).toBe(8);
  expect(countAt(30)).toBe(3);
  total.record(10, 2);
  expect(countAt(59)).toBe(5);
  expect(countAt(60)).toBe(2);
  expect(countAt(90)).toBe(0);
});

it("starts over when the total has shrunk, as after a restart", () => {
  const recent = new RecentLatency();
  const before = new LatencyHistogram();
  before.record(10, 100);
  recent.read(before, seconds(0));
  const after = new LatencyHistogram();
  after.record(10, 7);
  expect(recent.read(after, seconds(1)).count).toBe(7);
});

function quantilesOf(families: readonly MetricFamily[]): ValueFamily["samples"] {
  return (families[1] as ValueFamily).samples;
}

it("publishes p50, p95 and p99 of the recent values as gauges in seconds", () => {
  const total = new LatencyHistogram();
  total.record(100, 90);
  total.record(1_000, 8);
  total.record(5_000, 2);
  const words = { name: "parl_wait_seconds", help: "Wait." };
  const families = new RecentLatency().families(words, { region: "eu" }, total, seconds(0));
  expect(families.map(({ name }) => name)).toEqual(["parl_wait_seconds", "parl_wait_quantile_seconds"]);
  expect(quantilesOf(families)).toEqual([
    { labels: { region: "eu", quantile: "0.5" }, value: 0.000_112 },
    { labels: { region: "eu", quantile: "0.95" }, value: 0.001_024 },
    { labels: { region: "eu", quantile: "0.99" }, value: 0.005_12 },
  ]);
});

it("publishes no quantile of nothing", () => {
  const words = { name: "parl_wait_seconds", help: "Wait." };
  const families = new RecentLatency().families(words, {}, new LatencyHistogram(), seconds(0));
  expect(quantilesOf(families)).toEqual([]);
});
