/** What the region's actor processes say about themselves (actors/region-census.ts), as metric families. */
import type { MemberObservation } from "../actors/observation.ts";
import type { RegionObservation } from "../actors/region-census.ts";
import { ERRORS, ParlError, type ErrorCode } from "../core/errors.ts";
import { LatencyHistogram } from "../core/latency-histogram.ts";
import type { Micros } from "../core/units.ts";
import type { Labels, MetricFamily, ValueFamily } from "../telemetry/metric.ts";
import { RecentLatency } from "../telemetry/recent-latency.ts";
import { ACTOR_METRICS } from "./actor-metric-list.ts";
import type { HomeRegion } from "./home-region.ts";

/** Processes whose recent latency is known; names can be drawn at random, so the oldest goes. */
const PROCESSES_REMEMBERED = 256;

const LATENCY = {
  name: "parl_actor_decision_duration_seconds",
  help: "Time a process worked on a check, amortised over those that came in one message.",
};

interface Process {
  readonly labels: Labels;
  readonly seen: MemberObservation;
}

export class ActorMetrics {
  readonly #home: Pick<HomeRegion, "address" | "observeRegion">;
  readonly #recent = new Map<string, RecentLatency>();

  constructor(home: Pick<HomeRegion, "address" | "observeRegion">) {
    this.#home = home;
  }

  /** Asks the region. When nobody answers there is nothing but `parl_actor_up 0`. */
  async families(nowUs: Micros): Promise<MetricFamily[]> {
    const region = this.#home.address.name;
    let seen: RegionObservation;
    try {
      seen = await this.#home.observeRegion();
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      return [upFamily(region, 0)];
    }
    const processes = seen.members.map((one) => ({ labels: { region, process: one.member }, seen: one }));
    return [
      upFamily(region, 1),
      ...regionFamilies(seen, region),
      ...ACTOR_METRICS.map(({ type, name, help, series }) => ({
        type,
        name: `parl_actor_${name}`,
        help,
        samples: processes.flatMap((process) =>
          series.flatMap(({ labels, value }) => {
            const number = value(process.seen);
            return number === undefined ? [] : [{ labels: { ...process.labels, ...labels }, value: number }];
          }),
        ),
      })),
      policyKeysFamily(processes),
      decisionFamily(processes),
      errorFamily(processes),
      ...this.#latencyFamilies(processes, nowUs),
    ];
  }

  #latencyFamilies(processes: readonly Process[], nowUs: Micros): MetricFamily[] {
    const each = processes.map(({ labels, seen }) => {
      const latency = new LatencyHistogram();
      latency.counts.set(seen.stepLatencyCounts);
      latency.sumUs = seen.stepLatencySumUs;
      return this.#recentOf(seen.member).families(LATENCY, labels, latency, nowUs);
    });
    const [first = []] = each;
    return first.map((family, at) => {
      const samples = each.flatMap((families) => (families[at] as MetricFamily).samples as unknown[]);
      return { ...family, samples } as MetricFamily;
    });
  }

  #recentOf(member: string): RecentLatency {
    const recent = this.#recent.get(member) ?? new RecentLatency();
    this.#recent.delete(member);
    this.#recent.set(member, recent);
    for (const oldest of this.#recent.keys()) {
      if (this.#recent.size <= PROCESSES_REMEMBERED) break;
      this.#recent.delete(oldest);
    }
    return recent;
  }
}

function upFamily(region: string, value: 0 | 1): ValueFamily {
  const help =
    "1 when a process of the region answered this collection; 0: none did, start one or look at NATS.";
  return { type: "gauge", name: "parl_actor_up", help, samples: [{ labels: { region }, value }] };
}

function regionFamilies({ members, unowned }: RegionObservation, region: string): ValueFamily[] {
  return [
    {
      type: "gauge",
      name: "parl_actor_processes",
      help: "Processes of the region that answered this collection.",
      samples: [{ labels: { region }, value: members.length }],
    },
    {
      type: "gauge",
      name: "parl_actor_shards_unowned",
      help: "Shards that no process which answered decides: for longer than a lease, a process hangs or is missing.",
      samples: [{ labels: { region }, value: unowned }],
    },
  ];
}

function policyKeysFamily(processes: readonly Process[]): ValueFamily {
  const samples = processes.flatMap(({ labels, seen }) =>
    seen.policies.map(({ name, keys }) => ({ labels: { ...labels, policy: name }, value: keys })),
  );
  return { type: "gauge", name: "parl_actor_policy_keys", help: "Keys held, by policy.", samples };
}

function decisionFamily(processes: readonly Process[]): ValueFamily {
  return {
    type: "counter",
    name: "parl_actor_decisions_total",
    help: "Checks decided, by the policy that was tightest.",
    samples: processes.flatMap(({ labels, seen }) =>
      seen.decisions.map(({ policy, algorithm, outcome, count }) => ({
        labels: { ...labels, result: outcome, policy: policy ?? "none", algorithm: algorithm ?? "none" },
        value: count,
      })),
    ),
  };
}

function errorFamily(processes: readonly Process[]): ValueFamily {
  return {
    type: "counter",
    name: "parl_actor_errors_total",
    help: "Requests answered with an error, by its code.",
    samples: processes.flatMap(({ labels, seen }) =>
      [...errorsByLabel(seen)].map(([error, value]) => ({ labels: { ...labels, error }, value })),
    ),
  };
}

/** A newer actor may know codes that this gateway does not; they are one series, as no two may be the same. */
function errorsByLabel({ errors }: MemberObservation): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [code, count] of Object.entries(errors)) {
    const label = code in ERRORS ? ERRORS[code as ErrorCode].metric : "unknown";
    sums.set(label, (sums.get(label) ?? 0) + count);
  }
  return sums;
}
