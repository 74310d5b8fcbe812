/**
 * What PARL tells about itself, whoever collects it. Rooms count in plain numbers while they work and turn
 * them into families only when somebody asks; an exporter turns families into one format (prometheus.ts).
 *
 * Labels have few values (result, mode, region, a policy's name), never a key or a tenant: what callers can
 * invent without end must not become a time series.
 */
import type { LatencyHistogram } from "../core/latency-histogram.ts";

export type Labels = Readonly<Record<string, string>>;

interface FamilyWords {
  /** Prometheus style: `parl_…`, base units, `_total` for counters. */
  readonly name: string;
  readonly help: string;
}

export interface ValueFamily extends FamilyWords {
  readonly type: "counter" | "gauge";
  readonly samples: readonly { readonly labels: Labels; readonly value: number }[];
}

interface LatencyFamily extends FamilyWords {
  readonly type: "histogram";
  readonly samples: readonly { readonly labels: Labels; readonly latency: LatencyHistogram }[];
}

export type MetricFamily = ValueFamily | LatencyFamily;

/** Asked at every collection; no two sources name the same family. */
export type MetricSource = () => readonly MetricFamily[] | Promise<readonly MetricFamily[]>;

export interface MetricExporter {
  readonly contentType: string;
  /** Asks every source and writes down what they say. */
  render(): Promise<string>;
}

/** A counter or gauge with one sample and no labels. */
export function single(type: "counter" | "gauge", name: string, help: string, value: number): ValueFamily {
  return { type, name, help, samples: [{ labels: {}, value }] };
}
