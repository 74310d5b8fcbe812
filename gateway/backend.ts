/**
 * What stands behind the gateway and decides: a region's shards (nats-backend.ts) or one Redis (redis-backend.ts).
 *
 *      HTTP ─▶ routes ─▶ checks ─▶ Backend ─▶ decided
 *                          └ it failed ──────▶ onFailure (blind-decider.ts)
 *
 * Either is started without what it talks to, says so in /readyz, and goes on by itself once that is there.
 */
import type { CheckResult } from "../client/check.ts";
import type { Micros } from "../core/units.ts";
import type { MetricFamily } from "../telemetry/metric.ts";
import type { CheckFields } from "./check-fields.ts";
import type { ReadinessFacts, ReadinessReport } from "./readiness.ts";

export const BACKENDS = ["nats", "redis"] as const;
export type BackendName = (typeof BACKENDS)[number];

/** A retryable ParlError says that nobody decided, or that it is unknown whether somebody did. */
export interface Decides {
  check(check: CheckFields): Promise<CheckResult>;
  report(usage: CheckFields): Promise<CheckResult>;
}

export interface Backend extends Decides {
  readonly name: BackendName;
  /** Every region a decision may come from, the gateway's own first. */
  readonly regions: readonly [string, ...string[]];
  /** Resolves after the first attempt to connect, whichever way it went. */
  readonly tried: Promise<unknown>;
  /** Asks on `parl.observe.<subject>`; absent where nobody could answer. */
  readonly observe?: (subject: string, question: unknown) => Promise<unknown>;
  families(nowUs: Micros): Promise<MetricFamily[]>;
  readiness(facts: ReadinessFacts): Promise<ReadinessReport>;
  close(): Promise<void>;
}
