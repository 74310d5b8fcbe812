/**
 * One gateway process: the composition root of HTTP in front of a region.
 *
 *      HTTP ──▶ routes ──▶ SDK ──▶ home region's shards, else the next region's, else onFailure
 *                 │                     ▲
 *                 └──▶ observe ─────────┘ home region only
 *
 * The gateway starts without its region: it listens, says in /readyz what is missing, decides by `onFailure`
 * meanwhile, and connects when the region comes up. Processes may so be started in any order. What it does
 * not start without is what will not come by itself: a port, and a policy file without mistakes.
 */
import { randomBytes } from "node:crypto";
import { SystemClock } from "../actors/system-clock.ts";
import type { ClusterSecret } from "../admission/admission.ts";
import type { RegionAddress } from "../client/connect-region.ts";
import { connectParl } from "../client/parl-client.ts";
import { invalidArgument } from "../core/errors.ts";
import { PrometheusExporter } from "../telemetry/prometheus.ts";
import { ActorMetrics } from "./actor-metrics.ts";
import { BlindDecider } from "./blind-decider.ts";
import { Checks } from "./checks.ts";
import { GatewayMetrics, type GatewayFacts } from "./gateway-metrics.ts";
import { HomeRegion } from "./home-region.ts";
import { HttpServer } from "./http-server.ts";
import { LateConnection } from "./late-connection.ts";
import { PolicySource } from "./policy-source.ts";
import { readiness } from "./readiness.ts";
import { gatewayRoutes } from "./routes.ts";

export interface GatewayOptions {
  /** Home region first, then where checks go when it is down. */
  readonly regions: readonly RegionAddress[];
  /** Shards per region, as configured there. */
  readonly shards: number;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly host: string;
  readonly policyFile: string;
  /** How long a check or question may wait for its answer. */
  readonly deadlineMs: number;
  /** Told, in a sentence, what an operator should know. */
  readonly log: (line: string) => void;
}

export interface Gateway {
  readonly url: string;
  /** Accepts no more requests, answers those under way, lets go of NATS. */
  close(): Promise<void>;
}

/** @throws ParlError when the port is taken or the policy file is broken */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { regions, shards, port, host, deadlineMs, log } = options;
  const [homeAddress] = regions;
  if (homeAddress === undefined) throw invalidArgument("regions", "at least one region", regions);
  const clock = new SystemClock();
  const source = await PolicySource.open(options.policyFile, log);
  const policies = source.inForce;
  const home = new HomeRegion(homeAddress, deadlineMs);
  const client = new LateConnection(() => connectParl({ regions, shards, deadlineMs }));
  const blind = new BlindDecider({ region: homeAddress.name, policies, clock, secret: randomSecret() });
  const metrics = new GatewayMetrics(regions.map(({ name }) => name));
  const actorMetrics = new ActorMetrics(home);
  const exporter = new PrometheusExporter([
    () => metrics.families(gatewayFacts(), clock.monotonicUs()),
    () => actorMetrics.families(clock.monotonicUs()),
  ]);
  const routes = gatewayRoutes({
    checks: new Checks(client, blind),
    home,
    policies,
    metrics,
    exporter,
    clock,
    readiness: () =>
      readiness(home, {
        usableRegions: client.current?.usableRegions() ?? [],
        policyError: source.error,
        isDraining: server.isDraining,
      }),
  });
  const server = new HttpServer({
    routes,
    onError: ({ code }) => metrics.failed(code),
    onBug: (error) => log(`a request failed: ${error instanceof Error ? error.stack : String(error)}`),
  });
  function gatewayFacts(): GatewayFacts {
    const { reloadsOk, reloadsFailed, error } = source;
    const { inFlight } = server;
    return { inFlight, blindDecisions: blind.counts, reloadsOk, reloadsFailed, isPolicyFileGood: !error };
  }
  async function close(): Promise<void> {
    source.close();
    await server.drain();
    await Promise.all([client.close(), home.close()]);
  }
  // Nobody shall be answered blind merely because the first connection takes a moment.
  await Promise.all([home.tried, client.tried]);
  try {
    return { url: `http://${host}:${await server.listen(port, host)}`, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function randomSecret(): ClusterSecret {
  const bytes = randomBytes(8);
  return { high: bytes.readUInt32LE(0), low: bytes.readUInt32LE(4) };
}
