/**
 * The last half minute or so of a latency histogram that only ever grows.
 *
 *      total ──●───────────────●───────────────●─────────▶ time        ● snapshot, every 30 s
 *              older           newer           now
 *              └──────────── recent ───────────┘                      30 to 60 s, more if asked less often
 *
 * Quantiles over a process's whole life stop moving after a day; these are what a person looking at a gauge
 * means. A total that has shrunk comes from a process that started again, and counts from nothing.
 */
import { LatencyHistogram } from "../core/latency-histogram.ts";
import { US_PER_S, type Micros } from "../core/units.ts";
import type { Labels, MetricFamily } from "./metric.ts";

const SPAN_US = 30 * US_PER_S;
const QUANTILES = [0.5, 0.95, 0.99];

export class RecentLatency {
  #older = new LatencyHistogram();
  #newer = new LatencyHistogram();
  #newerUs = -Infinity;

  read(total: LatencyHistogram, nowUs: Micros): LatencyHistogram {
    if (total.count < this.#newer.count) this.#older = this.#newer = new LatencyHistogram();
    if (nowUs - this.#newerUs >= SPAN_US) {
      this.#older = this.#newer;
      this.#newer = copyOf(total);
      this.#newerUs = nowUs;
    }
    const recent = new LatencyHistogram();
    for (const [bucket, count] of this.#older.counts.entries()) {
      recent.counts[bucket] = (total.counts[bucket] as number) - count;
    }
    recent.sumUs = total.sumUs - this.#older.sumUs;
    return recent;
  }

  /** The histogram itself, and its recent p50, p95 and p99 as gauges. `words.name` ends in `_seconds`. */
  families(
    words: { readonly name: string; readonly help: string },
    labels: Labels,
    total: LatencyHistogram,
    nowUs: Micros,
  ): MetricFamily[] {
    const recent = this.read(total, nowUs);
    const quantiles = recent.count === 0 ? [] : QUANTILES;
    return [
      { ...words, type: "histogram", samples: [{ labels, latency: total }] },
      {
        name: words.name.replace(/_seconds$/, "_quantile_seconds"),
        help: `${words.help} Quantiles of the last 30 to 60 seconds, rounded up by at most a quarter octave.`,
        type: "gauge",
        samples: quantiles.map((q) => ({
          labels: { ...labels, quantile: String(q) },
          value: recent.quantileUs(q) / US_PER_S,
        })),
      },
    ];
  }
}

function copyOf(histogram: LatencyHistogram): LatencyHistogram {
  const copy = new LatencyHistogram();
  copy.counts.set(histogram.counts);
  copy.sumUs = histogram.sumUs;
  return copy;
}
