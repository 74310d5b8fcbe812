/**
 * Prometheus' text format, by prom-client.
 *
 * Families arrive counted, so none of prom-client's own counting is used: a registry asks its metrics for
 * nothing but their values, and each collection fills a fresh registry with the values of that moment.
 * A latency histogram of four buckets to the octave is published with one, from 1 µs to 34 s.
 */
import { collectDefaultMetrics, Registry, type Metric } from "prom-client";
import { LATENCY_BOUNDS_US, type LatencyHistogram } from "../core/latency-histogram.ts";
import { US_PER_S } from "../core/units.ts";
import type { Labels, MetricExporter, MetricFamily, MetricSource } from "./metric.ts";

interface TextSample {
  readonly metricName?: string;
  readonly labels: Labels;
  readonly value: number;
}

export class PrometheusExporter implements MetricExporter {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #sources: readonly MetricSource[];
  /** Memory, CPU and event loop of this process. */
  readonly #process = new Registry();

  constructor(sources: readonly MetricSource[]) {
    this.#sources = sources;
    collectDefaultMetrics({ register: this.#process });
  }

  async render(): Promise<string> {
    const families = await Promise.all(this.#sources.map(async (source) => source()));
    const counted = new Registry();
    for (const family of families.flat()) counted.registerMetric(countedMetric(family));
    return Registry.merge([counted, this.#process]).metrics();
  }
}

function countedMetric(family: MetricFamily): Metric {
  const { name, help, type } = family;
  const get = () => Promise.resolve({ name, help, type, values: textSamples(family) });
  return { name, get } as unknown as Metric;
}

function textSamples(family: MetricFamily): readonly TextSample[] {
  if (family.type !== "histogram") return family.samples;
  return family.samples.flatMap(({ labels, latency }) => latencySamples(family.name, labels, latency));
}

function latencySamples(name: string, labels: Labels, latency: LatencyHistogram): TextSample[] {
  const samples: TextSample[] = [];
  let count = 0;
  for (const [bucket, inBucket] of latency.counts.entries()) {
    count += inBucket;
    const boundUs = LATENCY_BOUNDS_US[bucket] ?? Infinity;
    if (boundUs !== Infinity && !Number.isInteger(Math.log2(boundUs))) continue;
    const le = boundUs === Infinity ? "+Inf" : String(boundUs / US_PER_S);
    samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: count });
  }
  samples.push({ metricName: `${name}_sum`, labels, value: latency.sumUs / US_PER_S });
  samples.push({ metricName: `${name}_count`, labels, value: count });
  return samples;
}
