/** A gateway with a policy file of its own, for tests that talk to it over real sockets. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RegionAddress } from "../../client/connect-region.ts";
import { SHARDS_DEFAULT } from "../../core/key.ts";
import { startGateway, type GatewayOptions } from "../../gateway/main.ts";
import { HttpConnection, type HttpReply } from "../harness/http-connection.ts";
import { parsePrometheusText, sumOf } from "../harness/prometheus-text.ts";

export const POLICIES = `version: 1
policies:
  - { name: per-key, dimension: key, algorithm: gcra, limit: 100, window: 60s }
  - { name: quick, dimension: key, match: { tenant: quick }, algorithm: gcra, limit: 4, window: 2s }
  - { name: queue, dimension: key, match: { tenant: queue }, algorithm: leaky-queue, limit: 10, window: 1s, burst: 2 }
  - { name: shut, dimension: key, match: { tenant: shut }, algorithm: gcra, limit: 5, window: 60s, onFailure: deny }
  - { name: here, dimension: key, match: { tenant: here }, algorithm: gcra, limit: 2, window: 60s, onFailure: local }
`;
export const DEADLINE_MS = 400;

/** Sum of a metric's samples with these labels, at one scrape. */
type Scrape = (name: string, labels?: Readonly<Record<string, string>>) => number | undefined;

export interface OpenedGateway {
  readonly url: string;
  readonly http: HttpConnection;
  /** Lines for the operator. */
  readonly logged: readonly string[];
  check(tenant: string): Promise<HttpReply>;
  scrape(): Promise<Scrape>;
  writePolicies(text: string): Promise<void>;
  close(): Promise<void>;
}

export function openGateway(...regions: RegionAddress[]): Promise<OpenedGateway> {
  return openGatewayBefore({ name: "nats", regions, shards: SHARDS_DEFAULT });
}

export async function openGatewayBefore(
  backend: GatewayOptions["backend"],
  policies = POLICIES,
): Promise<OpenedGateway> {
  const folder = await mkdtemp(join(tmpdir(), "parl-gateway-"));
  const policyFile = join(folder, "policies.yaml");
  await writeFile(policyFile, policies);
  const logged: string[] = [];
  const gateway = await startGateway({
    backend,
    port: 0,
    host: "127.0.0.1",
    policyFile,
    deadlineMs: DEADLINE_MS,
    log: (line) => logged.push(line),
  });
  const http = new HttpConnection(gateway.url);
  return {
    url: gateway.url,
    http,
    logged,
    check: (tenant) => http.get(`/allow?tenant=${tenant}&key=alice`),
    async scrape() {
      const samples = parsePrometheusText((await http.get("/metrics")).body);
      return (name, labels) => sumOf(samples, name, labels);
    },
    writePolicies: (text) => writeFile(policyFile, text),
    async close() {
      http.close();
      await gateway.close();
      await rm(folder, { recursive: true });
    },
  };
}
