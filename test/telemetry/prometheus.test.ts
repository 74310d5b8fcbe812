import { expect, it } from "vitest";
import { LatencyHistogram } from "../../core/latency-histogram.ts";
import { single, type MetricFamily } from "../../telemetry/metric.ts";
import { PrometheusExporter } from "../../telemetry/prometheus.ts";
import { parsePrometheusText, sumOf } from "../harness/prometheus-text.ts";

async function rendered(...families: MetricFamily[]): Promise<string> {
  return new PrometheusExporter([() => families]).render();
}

it("writes help, type and every sample of a family", async () => {
  const text = await rendered({
    type: "counter",
    name: "parl_answers_total",
    help: "Answers.",
    samples: [
      { labels: { result: "allowed", region: "eu" }, value: 41 },
      { labels: { result: "denied", region: "eu" }, value: 1 },
    ],
  });
  expect(text).toContain("# HELP parl_answers_total Answers.\n# TYPE parl_answers_total counter\n");
  expect(text).toContain('parl_answers_total{result="allowed",region="eu"} 41\n');
  expect(text).toContain('parl_answers_total{result="denied",region="eu"} 1\n');
});

it("publishes a latency histogram in seconds, one cumulative bucket to the octave", async () => {
  const latency = new LatencyHistogram();
  latency.record(3);
  latency.record(1_000, 2);
  latency.record(60_000_000);
  const labels = { region: "eu" };
  const samples = parsePrometheusText(
    await rendered({
      type: "histogram",
      name: "parl_wait_seconds",
      help: "Wait.",
      samples: [{ labels, latency }],
    }),
  );
  const atMost = (le: string) => sumOf(samples, "parl_wait_seconds_bucket", { ...labels, le });
  expect(atMost("0.000002")).toBe(0);
  expect(atMost("0.000004")).toBe(1);
  expect(atMost("0.000512")).toBe(1);
  expect(atMost("0.001024")).toBe(3);
  expect(atMost("33.554432")).toBe(3);
  expect(atMost("+Inf")).toBe(4);
  expect(sumOf(samples, "parl_wait_seconds_count", labels)).toBe(4);
  expect(sumOf(samples, "parl_wait_seconds_sum", labels)).toBeCloseTo(60.002_003);
  expect(samples.filter(({ name }) => name === "parl_wait_seconds_bucket")).toHaveLength(27);
});

it("escapes what a label may hold and the format may not", async () => {
  const region = 'a"b\\c\nd';
  const text = await rendered({
    type: "gauge",
    name: "parl_odd",
    help: "Odd.",
    samples: [{ labels: { region }, value: 1 }],
  });
  expect(sumOf(parsePrometheusText(text), "parl_odd", { region })).toBe(1);
});

it("asks its sources again at every collection, and adds what the process says of itself", async () => {
  let calls = 0;
  const exporter = new PrometheusExporter([
    () => Promise.resolve([single("gauge", "parl_calls", "Calls.", (calls += 1))]),
  ]);
  expect(exporter.contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
  await exporter.render();
  const samples = parsePrometheusText(await exporter.render());
  expect(sumOf(samples, "parl_calls")).toBe(2);
  expect(sumOf(samples, "process_resident_memory_bytes")).toBeGreaterThan(0);
});
