/** One keep-alive HTTP connection, so that a test can tell whether the server kept it open. */
import { Agent, request, type IncomingHttpHeaders } from "node:http";
import { text } from "node:stream/consumers";

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Undefined when the body is no JSON. */
  readonly json: any;
  /** Whether it came over the connection of the request before. */
  readonly isReused: boolean;
}

export interface HttpAsk {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export class HttpConnection {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(url: string) {
    this.#url = url;
  }

  get(path: string): Promise<HttpReply> {
    return this.ask(path, {});
  }

  post(path: string, value: unknown): Promise<HttpReply> {
    const headers = { "Content-Type": "application/json" };
    return this.ask(path, { method: "POST", headers, body: JSON.stringify(value) });
  }

  ask(path: string, { method = "GET", headers = {}, body = "" }: HttpAsk): Promise<HttpReply> {
    return new Promise((resolve, reject) => {
      const length = method === "GET" ? {} : { "Content-Length": String(Buffer.byteLength(body)) };
      const sent = request(
        this.#url + path,
        { method, headers: { ...length, ...headers }, agent: this.#agent },
        async (response) => {
          const received = await text(response);
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: received,
            json: parsed(received),
            isReused: sent.reusedSocket,
          });
        },
      );
      sent.on("error", reject);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
