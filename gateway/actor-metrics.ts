/** What the region's shard actor says about itself (actors/observation.ts), as metric families. */
import type { RegionObservation } from "../actors/region-census.ts";
import { ERRORS, ParlError, type ErrorCode } from "../core/errors.ts";
import { LatencyHistogram } from "../core/latency-histogram.ts";
import { US_PER_MS, US_PER_S, type Micros } from "../core/units.ts";
import type { Labels, MetricFamily, ValueFamily } from "../telemetry/metric.ts";
import { RecentLatency } from "../telemetry/recent-latency.ts";
import type { HomeRegion } from "./home-region.ts";

const MS_PER_S = US_PER_S / US_PER_MS;

/** Numbers that are published as they are. */
const PLAIN: readonly {
  readonly type: "counter" | "gauge";
  readonly name: string;
  readonly help: string;
  readonly value: (observation: RegionObservation) => number;
}[] = [
  { type: "gauge", name: "shards", help: "Shards owned.", value: (seen) => seen.shards },
  { type: "gauge", name: "keys", help: "Keys held.", value: (seen) => seen.keys },
  { type: "gauge", name: "key_bytes", help: "Memory of the key tables.", value: (seen) => seen.bytes },
  { type: "gauge", name: "mailbox_depth", help: "Checks waiting.", value: (seen) => seen.mailboxDepth },
  {
    type: "gauge",
    name: "uptime_seconds",
    help: "Since the process started.",
    value: (seen) => seen.uptimeMs / MS_PER_S,
  },
  {
    type: "counter",
    name: "evictions_total",
    help: "Keys dropped though they still mattered, for want of memory.",
    value: (seen) => seen.evictedLive,
  },
  {
    type: "counter",
    name: "overflowed_total",
    help: "Checks of new keys that shared an overflow bucket.",
    value: (seen) => seen.overflowed,
  },
  {
    type: "gauge",
    name: "tenants_full",
    help: "Tenants that hold as many keys as they may, in the process with most of them.",
    value: (seen) => seen.fullTenants,
  },
  {
    type: "counter",
    name: "overloaded_total",
    help: "Checks refused because the mailbox was full.",
    value: (seen) => seen.overloaded,
  },
  {
    type: "counter",
    name: "crashes_total",
    help: "Times the actor started again from nothing.",
    value: (seen) => seen.crashes,
  },
];

export class ActorMetrics {
  readonly #home: HomeRegion;
  readonly #recentLatency = new RecentLatency();

  constructor(home: HomeRegion) {
    this.#home = home;
  }

  /** Asks the actor. When it does not answer there is nothing but `parl_actor_up 0`. */
  async families(nowUs: Micros): Promise<MetricFamily[]> {
    const labels = { region: this.#home.address.name };
    let seen: RegionObservation;
    try {
      seen = await this.#home.observeRegion();
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      return [upFamily(labels, 0)];
    }
    const latency = new LatencyHistogram();
    latency.counts.set(seen.stepLatencyCounts);
    latency.sumUs = seen.stepLatencySumUs;
    const words = {
      name: "parl_actor_decision_duration_seconds",
      help: "Time the shard actor worked on a check, amortised over those that came in one message.",
    };
    return [
      upFamily(labels, 1),
      ...PLAIN.map(({ type, name, help, value }) => ({
        type,
        name: `parl_actor_${name}`,
        help,
        samples: [{ labels, value: value(seen) }],
      })),
      policyKeysFamily(seen, labels),
      decisionFamily(seen, labels),
      errorFamily(seen, labels),
      ...this.#recentLatency.families(words, labels, latency, nowUs),
    ];
  }
}

function upFamily(labels: Labels, value: 0 | 1): ValueFamily {
  const help = "1 when the region's shard actor answered this collection.";
  return { type: "gauge", name: "parl_actor_up", help, samples: [{ labels, value }] };
}

function policyKeysFamily(seen: RegionObservation, labels: Labels): ValueFamily {
  const samples = seen.policies.map(({ name, keys }) => ({
    labels: { ...labels, policy: name },
    value: keys,
  }));
  return { type: "gauge", name: "parl_actor_policy_keys", help: "Keys held, by policy.", samples };
}

function decisionFamily(seen: RegionObservation, labels: Labels): ValueFamily {
  return {
    type: "counter",
    name: "parl_actor_decisions_total",
    help: "Checks decided by the region's shards, by the policy that was tightest.",
    samples: seen.decisions.map(({ policy, algorithm, outcome, count }) => ({
      labels: { ...labels, result: outcome, policy: policy ?? "none", algorithm: algorithm ?? "none" },
      value: count,
    })),
  };
}

function errorFamily(seen: RegionObservation, labels: Labels): ValueFamily {
  return {
    type: "counter",
    name: "parl_actor_errors_total",
    help: "Requests the shard actor answered with an error, by its code.",
    samples: Object.entries(seen.errors).map(([code, value]) => ({
      // A newer actor may know codes that this gateway does not.
      labels: { ...labels, error: code in ERRORS ? ERRORS[code as ErrorCode].metric : "unknown" },
      value,
    })),
  };
}
