/**
 * What the gateway counts: plain numbers in typed arrays while requests are served, families when asked.
 */
import { ALGORITHMS } from "../algorithms/algorithm.ts";
import { FAILURE_MODES } from "../admission/policy.ts";
import type { CheckResult } from "../client/check.ts";
import { OUTCOMES, TIERS } from "../core/decision.ts";
import { ERROR_CODES, ERRORS, type ErrorCode } from "../core/errors.ts";
import { LatencyHistogram } from "../core/latency-histogram.ts";
import type { Micros } from "../core/units.ts";
import { single, type MetricFamily, type ValueFamily } from "../telemetry/metric.ts";
import { RecentLatency } from "../telemetry/recent-latency.ts";
import type { Backend, BackendName } from "./backend.ts";
import type { PolicyWords } from "./policies-in-force.ts";

/** Beside the real ones: no policy applied; a policy that only the shards know. */
const ALGORITHM_LABELS = ["none", "unknown", ...ALGORITHMS];

/** What is known elsewhere in the gateway. */
export interface GatewayFacts {
  readonly inFlight: number;
  /** By failure mode, in the order of FAILURE_MODES. */
  readonly blindDecisions: Readonly<Float64Array>;
  readonly reloadsOk: number;
  readonly reloadsFailed: number;
  readonly isPolicyFileGood: boolean;
}

export class GatewayMetrics {
  readonly #backend: BackendName;
  readonly #regions: readonly string[];
  /** By region, tier, algorithm label and outcome. */
  readonly #decisions: Float64Array;
  readonly #errors = new Float64Array(ERROR_CODES.length);
  readonly #latency = new LatencyHistogram();
  readonly #recentLatency = new RecentLatency();

  constructor({ name, regions }: Pick<Backend, "name" | "regions">) {
    this.#backend = name;
    this.#regions = regions;
    const series = regions.length * TIERS.length * ALGORITHM_LABELS.length * OUTCOMES.length;
    this.#decisions = new Float64Array(series);
  }

  /** @param tookUs from the request read to its answer ready */
  decided(result: CheckResult, words: PolicyWords | undefined, tookUs: number): void {
    const { region, tier, policy, outcome } = result;
    const algorithm = policy === null ? "none" : (words?.algorithm ?? "unknown");
    const at = this.#placeOf(
      this.#regions.indexOf(region),
      TIERS.indexOf(tier),
      ALGORITHM_LABELS.indexOf(algorithm),
    );
    const place = at + OUTCOMES.indexOf(outcome);
    this.#decisions[place] = (this.#decisions[place] as number) + 1;
    this.#latency.record(tookUs);
  }

  failed(code: ErrorCode): void {
    const at = ERROR_CODES.indexOf(code);
    this.#errors[at] = (this.#errors[at] as number) + 1;
  }

  families(facts: GatewayFacts, nowUs: Micros): MetricFamily[] {
    const latency = {
      name: "parl_gateway_check_duration_seconds",
      help: "Time from a check read to its answer ready, seen by the gateway.",
    };
    return [
      this.#decisionFamily(),
      {
        type: "counter",
        name: "parl_blind_decisions_total",
        help: "Checks answered by onFailure because nobody decided.",
        samples: FAILURE_MODES.map((mode, at) => ({
          labels: { mode },
          value: facts.blindDecisions[at] as number,
        })),
      },
      {
        type: "counter",
        name: "parl_gateway_errors_total",
        help: "Requests answered with an error, by its code.",
        samples: ERROR_CODES.map((code, at) => ({
          labels: { error: ERRORS[code].metric },
          value: this.#errors[at] as number,
        })),
      },
      ...this.#recentLatency.families(latency, {}, this.#latency, nowUs),
      single("gauge", "parl_gateway_in_flight", "Requests being answered.", facts.inFlight),
      {
        type: "counter",
        name: "parl_gateway_policy_reloads_total",
        help: "Readings of a changed policy file.",
        samples: [
          { labels: { result: "ok" }, value: facts.reloadsOk },
          { labels: { result: "failed" }, value: facts.reloadsFailed },
        ],
      },
      single(
        "gauge",
        "parl_gateway_policy_file_good",
        "1 while the policy file on disk is the one in force.",
        facts.isPolicyFileGood ? 1 : 0,
      ),
    ];
  }

  #decisionFamily(): ValueFamily {
    const samples = this.#regions.flatMap((region, regionAt) =>
      TIERS.flatMap((tier, tierAt) =>
        ALGORITHM_LABELS.flatMap((algorithm, algorithmAt) =>
          OUTCOMES.map((result, outcomeAt) => ({
            labels: { result, algorithm, tier, region, backend: this.#backend },
            value: this.#decisions[this.#placeOf(regionAt, tierAt, algorithmAt) + outcomeAt] as number,
          })),
        ),
      ),
    );
    return {
      type: "counter",
      name: "parl_decisions_total",
      help: "Checks answered by this gateway, by the region that decided (its own when blind).",
      samples: samples.filter(({ value }) => value > 0),
    };
  }

  /** Where the outcomes of one region, tier and algorithm begin. */
  #placeOf(region: number, tier: number, algorithm: number): number {
    return ((region * TIERS.length + tier) * ALGORITHM_LABELS.length + algorithm) * OUTCOMES.length;
  }
}
