/**
 * HTTP on bare node:http: finds the route, runs it, writes its answer, whatever came in.
 *
 *      GET /allow?key=a ─▶ route ─▶ HttpAnswer ─▶ 200 · 429
 *                            │ throws ParlError ─▶ problem by the table of codes; the connection stays open
 *                            └ throws else      ─▶ 500, told to onBug
 *
 * Bytes that are no HTTP, headers over 8 KiB and requests that trickle in are refused by node itself, which
 * then closes the connection: there is no knowing where the next request would start.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ParlError } from "../core/errors.ts";
import { errorAnswer, type HttpAnswer } from "./http-answer.ts";
import { HttpError } from "./http-error.ts";

/** A GET route answers HEAD too, without the body. */
export interface Route {
  readonly method: "GET" | "POST";
  /** @param query what follows the question mark */
  readonly handle: (request: IncomingMessage, query: string) => HttpAnswer | Promise<HttpAnswer>;
}

/** How long a caller may take. */
export interface HttpLimits {
  readonly headersMs: number;
  readonly requestMs: number;
  /** How often the two are looked at. */
  readonly checkMs: number;
}

const LIMITS: HttpLimits = { headersMs: 5_000, requestMs: 10_000, checkMs: 1_000 };
const HEADER_BYTES_MAX = 8_192;
/** Longer than the 60 s after which load balancers drop an idle connection: the caller should close first. */
const KEEP_ALIVE_MS = 65_000;
/** What is still under way this long after the drain began belongs to a caller that trickles. */
const DRAIN_MS = 2_000;

export interface HttpServerOptions {
  readonly routes: ReadonlyMap<string, Route>;
  readonly limits?: HttpLimits;
  /** Told of every error that was answered. */
  readonly onError: (error: ParlError) => void;
  /** Told of what should not have been thrown. */
  readonly onBug: (error: unknown) => void;
}

export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  #inFlight = 0;
  #isDraining = false;

  constructor(options: HttpServerOptions) {
    const { headersMs, requestMs, checkMs } = options.limits ?? LIMITS;
    this.#options = options;
    this.#server = createServer(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: headersMs,
        requestTimeout: requestMs,
        connectionsCheckingInterval: checkMs,
        keepAliveTimeout: KEEP_ALIVE_MS,
      },
      (request, response) => void this.#serve(request, response),
    );
  }

  /** Requests being answered. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** @returns the port, as the system chose it for 0. @throws ParlError when it cannot be had */
  listen(port: number, host: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause: NodeJS.ErrnoException) => reject(cannotListen(port, host, cause)));
      this.#server.listen(port, host, () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  /** Accepts nobody new, finishes what is under way, closes every connection. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    const trickling = setTimeout(() => this.#server.closeAllConnections(), DRAIN_MS);
    await new Promise((resolve) => this.#server.close(resolve));
    clearTimeout(trickling);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#inFlight += 1;
    let answer: HttpAnswer;
    try {
      answer = await this.#route(request);
    } catch (error) {
      answer = this.#failed(error);
    }
    this.#inFlight -= 1;
    const { status, headers, body } = answer;
    if (this.#isDraining) response.shouldKeepAlive = false;
    response.writeHead(status, [...headers, "Content-Length", String(Buffer.byteLength(body))]);
    response.end(body);
  }

  #route(request: IncomingMessage): HttpAnswer | Promise<HttpAnswer> {
    const { url = "", method = "" } = request;
    const mark = url.indexOf("?");
    const path = mark < 0 ? url : url.slice(0, mark);
    const route = this.#options.routes.get(path);
    if (route === undefined) throw notFound(path, this.#options.routes);
    if (method !== route.method && !(method === "HEAD" && route.method === "GET")) {
      throw notAllowed(path, method, route);
    }
    return route.handle(request, mark < 0 ? "" : url.slice(mark + 1));
  }

  #failed(error: unknown): HttpAnswer {
    const { onError, onBug } = this.#options;
    if (error instanceof HttpError) {
      onError(error.error);
      return errorAnswer(error.error, error.status, error.headers);
    }
    if (!(error instanceof ParlError)) onBug(error);
    const known =
      error instanceof ParlError
        ? error
        : new ParlError("PARL_INTERNAL", "the gateway failed at this request");
    onError(known);
    return errorAnswer(known);
  }
}

function notFound(path: string, routes: ReadonlyMap<string, Route>): HttpError {
  const message = `there is no ${path.slice(0, 60)} here; there are ${[...routes.keys()].join(", ")}`;
  return new HttpError(404, new ParlError("PARL_NOT_FOUND", message, { field: "path" }));
}

function notAllowed(path: string, method: string, route: Route): HttpError {
  const allowed = route.method === "GET" ? "GET, HEAD" : route.method;
  const message = `${path} takes ${allowed}, not ${method}`;
  const error = new ParlError("PARL_INVALID_ARGUMENT", message, { field: "method" });
  return new HttpError(405, error, ["Allow", allowed]);
}

function cannotListen(port: number, host: string, cause: NodeJS.ErrnoException): ParlError {
  const where = `port ${port} on ${host}`;
  const why =
    cause.code === "EADDRINUSE" ? `${where} is taken` : `${where} cannot be listened on (${cause.code})`;
  const message = `${why}; choose another with --http, or another address with --host`;
  return new ParlError("PARL_UNAVAILABLE", message, { field: "http", cause });
}
