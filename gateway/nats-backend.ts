/**
 * A region's shards behind the gateway.
 *
 *      check, report ──▶ SDK ──▶ home region's shards, else the next region's
 *      observe, /readyz, /metrics ──▶ home region only
 */
import type { CheckResult } from "../client/check.ts";
import type { RegionAddress } from "../client/connect-region.ts";
import { connectParl, type ParlClient } from "../client/parl-client.ts";
import { invalidArgument, ParlError } from "../core/errors.ts";
import type { Micros } from "../core/units.ts";
import type { MetricFamily } from "../telemetry/metric.ts";
import { ActorMetrics } from "./actor-metrics.ts";
import type { Backend } from "./backend.ts";
import type { CheckFields } from "./check-fields.ts";
import { HomeRegion } from "./home-region.ts";
import { LateConnection } from "./late-connection.ts";
import { readiness, type ReadinessFacts, type ReadinessReport } from "./readiness.ts";

export interface NatsBackendOptions {
  readonly name: "nats";
  /** Home region first, then where checks go when it is down. */
  readonly regions: readonly RegionAddress[];
  /** Shards per region, as configured there. */
  readonly shards: number;
}

export class NatsBackend implements Backend {
  readonly name = "nats";
  readonly regions: readonly [string, ...string[]];
  readonly tried: Promise<unknown>;
  readonly #home: HomeRegion;
  readonly #client: LateConnection<ParlClient>;
  readonly #actorMetrics: ActorMetrics;

  constructor({ regions, shards }: NatsBackendOptions, deadlineMs: number) {
    const [home, ...others] = regions;
    if (home === undefined) throw invalidArgument("regions", "at least one region", regions);
    this.regions = [home.name, ...others.map(({ name }) => name)];
    this.#home = new HomeRegion(home, deadlineMs);
    this.#client = new LateConnection(() => connectParl({ regions, shards, deadlineMs }));
    this.#actorMetrics = new ActorMetrics(this.#home);
    this.tried = Promise.all([this.#home.tried, this.#client.tried]);
  }

  async check(check: CheckFields): Promise<CheckResult> {
    return this.#connected().check(check);
  }

  async report(usage: CheckFields): Promise<CheckResult> {
    return this.#connected().report(usage);
  }

  readonly observe = (subject: string, question: unknown): Promise<unknown> =>
    this.#home.observe(subject, question);

  families(nowUs: Micros): Promise<MetricFamily[]> {
    return this.#actorMetrics.families(nowUs);
  }

  readiness(facts: ReadinessFacts): Promise<ReadinessReport> {
    return readiness(this.#home, this.#client.current?.usableRegions() ?? [], facts);
  }

  async close(): Promise<void> {
    await Promise.all([this.#client.close(), this.#home.close()]);
  }

  #connected(): ParlClient {
    const client = this.#client.current;
    if (client !== undefined) return client;
    throw new ParlError("PARL_UNAVAILABLE", "no region has answered yet; is one running (npm start)?");
  }
}
