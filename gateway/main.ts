/**
 * One gateway process: the composition root of HTTP in front of a region, or of a Redis.
 *
 *      HTTP ──▶ routes ──▶ checks ──▶ backend, else onFailure
 *                 │                     ▲
 *                 └──▶ observe ─────────┘ of a region
 *
 * The gateway starts without its backend: it listens, says in /readyz what is missing, decides by `onFailure`
 * meanwhile, and connects when the backend comes up. Processes may so be started in any order. What it does
 * not start without is what will not come by itself: a port, and a policy file without mistakes.
 */
import { randomBytes } from "node:crypto";
import { SystemClock } from "../actors/system-clock.ts";
import type { ClusterSecret } from "../admission/admission.ts";
import type { Clock } from "../core/clock.ts";
import { PrometheusExporter } from "../telemetry/prometheus.ts";
import type { Backend } from "./backend.ts";
import { BlindDecider } from "./blind-decider.ts";
import { Checks } from "./checks.ts";
import { GatewayMetrics, type GatewayFacts } from "./gateway-metrics.ts";
import { HttpServer } from "./http-server.ts";
import { NatsBackend, type NatsBackendOptions } from "./nats-backend.ts";
import { PolicySource } from "./policy-source.ts";
import { RedisBackend, type RedisBackendOptions } from "./redis-backend.ts";
import { requireRedisPolicies } from "./redis-policies.ts";
import { gatewayRoutes } from "./routes.ts";

export interface GatewayOptions {
  readonly backend: NatsBackendOptions | RedisBackendOptions;
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
  /** Accepts no more requests, answers those under way, lets go of the backend. */
  close(): Promise<void>;
}

/** @throws ParlError when the port is taken, the policy file is broken, or a URL is none */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { port, host, log } = options;
  const clock = new SystemClock();
  const source = await PolicySource.open(options.policyFile, {
    log,
    require: options.backend.name === "redis" ? requireRedisPolicies : () => undefined,
  });
  const policies = source.inForce;
  const backend = backendOf(options, source, clock);
  const blind = new BlindDecider({ region: backend.regions[0], policies, clock, secret: randomSecret() });
  const metrics = new GatewayMetrics(backend);
  const exporter = new PrometheusExporter([
    () => metrics.families(gatewayFacts(), clock.monotonicUs()),
    () => backend.families(clock.monotonicUs()),
  ]);
  const routes = gatewayRoutes({
    checks: new Checks(backend, blind),
    observe: backend.observe,
    policies,
    metrics,
    exporter,
    clock,
    readiness: () => backend.readiness({ policyError: source.error, isDraining: server.isDraining }),
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
    await backend.close();
  }
  // Nobody shall be answered blind merely because the first connection takes a moment.
  await backend.tried;
  try {
    return { url: `http://${host}:${await server.listen(port, host)}`, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function backendOf({ backend, deadlineMs }: GatewayOptions, source: PolicySource, clock: Clock): Backend {
  try {
    return backend.name === "nats"
      ? new NatsBackend(backend, deadlineMs)
      : new RedisBackend(backend, { policies: source.inForce, clock, deadlineMs });
  } catch (error) {
    source.close();
    throw error;
  }
}

function randomSecret(): ClusterSecret {
  const bytes = randomBytes(8);
  return { high: bytes.readUInt32LE(0), low: bytes.readUInt32LE(4) };
}
