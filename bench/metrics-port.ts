/** `--metrics-port`: what a run has come to so far, for Prometheus, on loopback while it goes on. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ParlError } from "../core/errors.ts";
import type { MetricSource } from "../telemetry/metric.ts";
import { PrometheusExporter } from "../telemetry/prometheus.ts";
import { isSystemError } from "./output-file.ts";

export interface MetricsPort extends AsyncDisposable {
  readonly url: string;
}

/** @param port 0: any that is free @throws ParlError PARL_INVALID_ARGUMENT when it is taken */
export async function openMetricsPort(port: number, source: MetricSource): Promise<MetricsPort> {
  const exporter = new PrometheusExporter([source]);
  const server = createServer((request, response) => {
    if (request.url !== "/metrics") {
      response.writeHead(404).end("there is only /metrics\n");
      return;
    }
    exporter.render().then(
      (text) => response.writeHead(200, { "Content-Type": exporter.contentType }).end(text),
      (error: unknown) => response.writeHead(503).end(`${(error as Error).message}\n`),
    );
  });
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    const message = `--metrics-port ${port} cannot be used: ${cause.message}; choose another one`;
    throw new ParlError("PARL_INVALID_ARGUMENT", message, { field: "--metrics-port", cause });
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
