/** A run as metric families: decisions, latency, round trips, and what the backend keeps. */
import { US_PER_S } from "../core/units.ts";
import { single, type MetricFamily, type ValueFamily } from "../telemetry/metric.ts";
import type { Backend } from "./backend.ts";
import type { RunTally } from "./run-tally.ts";

const QUANTILES = [0.5, 0.99, 0.999];

type Observed = Pick<Backend, "roundTrips" | "footprint">;

export async function runMetrics(tally: RunTally, backend: Observed): Promise<MetricFamily[]> {
  const { liveKeys, bytesPerKey, redisUsedMem } = await backend.footprint();
  const memory =
    redisUsedMem === null
      ? []
      : [
          single(
            "gauge",
            "parl_bench_redis_used_memory_bytes",
            "used_memory of all servers, from INFO.",
            redisUsedMem,
          ),
        ];
  return [
    decisions(tally),
    {
      type: "histogram",
      name: "parl_bench_latency_seconds",
      help: "Latency from the moment a request was due; at --pace max, service time.",
      samples: [{ labels: {}, latency: tally.latency }],
    },
    quantiles(tally),
    single(
      "counter",
      "parl_bench_round_trips_total",
      "Questions sent to Redis, however many decisions each brought back.",
      backend.roundTrips,
    ),
    single("gauge", "parl_bench_live_keys", "Keys the backend holds.", liveKeys),
    single("gauge", "parl_bench_bytes_per_key", "What it keeps for them, divided by them.", bytesPerKey),
    ...memory,
  ];
}

function decisions({ allowed, denied }: RunTally): ValueFamily {
  return {
    type: "counter",
    name: "parl_bench_decisions_total",
    help: "Decisions of the run so far.",
    samples: [
      { labels: { result: "allowed" }, value: allowed },
      { labels: { result: "denied" }, value: denied },
    ],
  };
}

function quantiles({ latency, allowed, denied }: RunTally): ValueFamily {
  return {
    type: "gauge",
    name: "parl_bench_latency_quantile_seconds",
    help: "Quantiles of the run so far, rounded up by at most a quarter octave.",
    samples: (allowed + denied === 0 ? [] : QUANTILES).map((quantile) => ({
      labels: { quantile: String(quantile) },
      value: latency.quantileUs(quantile) / US_PER_S,
    })),
  };
}
