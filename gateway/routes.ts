/** The paths of the gateway and what each does. */
import type { IncomingMessage } from "node:http";
import type { Clock } from "../core/clock.ts";
import type { MetricExporter } from "../telemetry/metric.ts";
import type { Backend } from "./backend.ts";
import { checkFields, type CheckFields } from "./check-fields.ts";
import type { Checks } from "./checks.ts";
import { decisionAnswer, reportAnswer } from "./decision-answer.ts";
import type { GatewayMetrics } from "./gateway-metrics.ts";
import { jsonAnswer, type HttpAnswer } from "./http-answer.ts";
import type { Route } from "./http-server.ts";
import { observeQuestion } from "./observe-question.ts";
import type { PoliciesInForce, PolicyWords } from "./policies-in-force.ts";
import { parseQuery } from "./query.ts";
import type { ReadinessReport } from "./readiness.ts";
import { readJsonBody } from "./request-body.ts";

export interface RouteParts {
  readonly checks: Checks;
  /** Answers questions of `POST /v1/observe`; absent: there is no such path. */
  readonly observe: Backend["observe"];
  readonly policies: PoliciesInForce;
  readonly metrics: GatewayMetrics;
  readonly exporter: MetricExporter;
  readonly clock: Clock;
  readonly readiness: () => Promise<ReadinessReport>;
}

export function gatewayRoutes(parts: RouteParts): ReadonlyMap<string, Route> {
  const { checks, policies, metrics, exporter, clock } = parts;

  function wordsOf(policy: string | null): PolicyWords | undefined {
    return policy === null ? undefined : policies.words(policy);
  }

  async function decide(fields: CheckFields, startedUs: number): Promise<HttpAnswer> {
    const decided = await checks.check(fields);
    const words = wordsOf(decided.policy);
    const answer = decisionAnswer(decided, words);
    metrics.decided(decided, words, clock.monotonicUs() - startedUs);
    return answer;
  }

  function allow(_request: IncomingMessage, query: string): Promise<HttpAnswer> {
    const startedUs = clock.monotonicUs();
    return decide(checkFields(parseQuery(query)), startedUs);
  }

  async function check(request: IncomingMessage): Promise<HttpAnswer> {
    const body = await readJsonBody(request);
    const startedUs = clock.monotonicUs();
    return decide(checkFields(body), startedUs);
  }

  async function report(request: IncomingMessage): Promise<HttpAnswer> {
    const usage = checkFields(await readJsonBody(request));
    const state = await checks.report(usage);
    return reportAnswer(usage.cost, state, wordsOf(state.policy));
  }

  async function scrape(): Promise<HttpAnswer> {
    return { status: 200, headers: ["Content-Type", exporter.contentType], body: await exporter.render() };
  }

  async function ready(): Promise<HttpAnswer> {
    const readiness = await parts.readiness();
    return jsonAnswer(readiness.status === "unready" ? 503 : 200, readiness);
  }

  return new Map<string, Route>([
    ["/allow", { method: "GET", handle: allow }],
    ["/v1/check", { method: "POST", handle: check }],
    ["/v1/report", { method: "POST", handle: report }],
    ...(parts.observe === undefined ? [] : [observeRoute(parts.observe)]),
    ["/metrics", { method: "GET", handle: scrape }],
    ["/healthz", { method: "GET", handle: () => jsonAnswer(200, { status: "alive" }) }],
    ["/readyz", { method: "GET", handle: ready }],
  ]);
}

function observeRoute(observe: NonNullable<Backend["observe"]>): readonly [string, Route] {
  async function handle(request: IncomingMessage): Promise<HttpAnswer> {
    const { subject, body } = observeQuestion(await readJsonBody(request));
    return jsonAnswer(200, await observe(subject, body));
  }
  return ["/v1/observe", { method: "POST", handle }];
}
