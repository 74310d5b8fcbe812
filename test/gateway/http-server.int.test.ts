import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { invalidArgument, type ParlError } from "../../core/errors.ts";
import { jsonAnswer } from "../../gateway/http-answer.ts";
import { HttpServer, type HttpLimits, type Route } from "../../gateway/http-server.ts";
import { readJsonBody } from "../../gateway/request-body.ts";
import { HttpConnection } from "../harness/http-connection.ts";

const errors: ParlError[] = [];
const bugs: unknown[] = [];
let slow = Promise.withResolvers<void>();

const ROUTES = new Map<string, Route>([
  ["/echo", { method: "GET", handle: (_request, query) => jsonAnswer(200, { query }) }],
  [
    "/take",
    { method: "POST", handle: async (request) => jsonAnswer(200, [...(await readJsonBody(request))]) },
  ],
  [
    "/refuse",
    {
      method: "GET",
      handle: () => {
        throw invalidArgument("tokens", "whole", 1.5);
      },
    },
  ],
  ["/break", { method: "GET", handle: () => Promise.reject(new TypeError("x is undefined")) }],
  ["/slow", { method: "GET", handle: () => slow.promise.then(() => jsonAnswer(200, { done: true })) }],
]);

let server: HttpServer;
let connection: HttpConnection;

async function start(limits?: HttpLimits): Promise<number> {
  server = new HttpServer({
    routes: ROUTES,
    ...(limits !== undefined && { limits }),
    onError: (error) => errors.push(error),
    onBug: (error) => bugs.push(error),
  });
  const port = await server.listen(0, "127.0.0.1");
  connection = new HttpConnection(`http://127.0.0.1:${port}`);
  return port;
}

afterEach(async () => {
  slow.resolve();
  connection.close();
  await server.drain();
  errors.length = bugs.length = 0;
  slow = Promise.withResolvers<void>();
});

/** Sends bytes on a connection of their own; resolves with what came back when the server closes it. */
async function untilClosed(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(bytes);
  return text(socket);
}

describe("routes", () => {
  it("hands the query to the route and answers HEAD like GET, without the body", async () => {
    await start();
    expect((await connection.get("/echo?a=1&b")).json).toEqual({ query: "a=1&b" });
    const head = await connection.ask("/echo?a=1&b", { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, body: "", isReused: true });
    expect(head.headers["content-length"]).toBe(String('{"query":"a=1&b"}'.length));
  });

  it("knows its paths, and says which there are", async () => {
    await start();
    for (const path of ["/", "/echo/", "/Echo", "//echo", "/__proto__", "/%65cho"]) {
      const { status, json } = await connection.get(path);
      expect(status).toBe(404);
      expect(json.error).toMatchObject({ code: "PARL_NOT_FOUND", field: "path" });
    }
    expect((await connection.get("/x")).json.detail).toContain("there are /echo, /take");
  });

  it("refuses other methods, naming those it takes", async () => {
    await start();
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const { status, headers, json } = await connection.ask("/echo", { method });
      expect(status).toBe(405);
      expect(headers.allow).toBe("GET, HEAD");
      expect(json.error.field).toBe("method");
    }
    for (const method of ["GET", "HEAD"]) {
      expect((await connection.ask("/take", { method })).headers.allow).toBe("POST");
    }
  });
});

describe("errors", () => {
  it("answers bad input with its typed error, counts it and keeps the connection", async () => {
    await start();
    for (let i = 0; i < 3; i += 1) {
      const { status, json, isReused } = await connection.get("/refuse");
      expect(status).toBe(400);
      expect(json.error).toEqual({
        code: "PARL_INVALID_ARGUMENT",
        field: "tokens",
        message: "tokens must be whole, got 1.5",
      });
      expect(isReused).toBe(i > 0);
    }
    expect(errors.map(({ code }) => code)).toEqual(Array.from({ length: 3 }, () => "PARL_INVALID_ARGUMENT"));
  });

  it("answers a bug with 500, tells no caller about it and its owner everything", async () => {
    await start();
    const { status, body, json } = await connection.get("/break");
    expect(status).toBe(500);
    expect(json.error.code).toBe("PARL_INTERNAL");
    expect(body).not.toContain("undefined");
    expect(bugs).toEqual([new TypeError("x is undefined")]);
    expect((await connection.get("/echo")).isReused).toBe(true);
  });
});

describe("callers that misbehave", () => {
  it("refuses headers over 8 KiB and bytes that are no HTTP, and lives on", async () => {
    const port = await start();
    const bomb = `GET /echo HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(9_000)}\r\n\r\n`;
    expect(await untilClosed(port, bomb)).toMatch(/^HTTP\/1\.1 431 /);
    expect(await untilClosed(port, "\0\x01 nonsense\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    expect(await untilClosed(port, "GET /echo HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    expect((await connection.get("/echo")).status).toBe(200);
  });

  it("hangs up on who sends headers a byte at a time", async () => {
    const port = await start({ headersMs: 100, requestMs: 60_000, checkMs: 20 });
    expect(await untilClosed(port, "GET /echo HTTP/1.1\r\nHost: a\r\nX-Slow: ")).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("hangs up on who never sends all of the body", async () => {
    const port = await start({ headersMs: 100, requestMs: 100, checkMs: 20 });
    const half = "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";
    expect(await untilClosed(port, half)).toMatch(/^HTTP\/1\.1 408 /);
    await expect.poll(() => server.inFlight).toBe(0);
  });
});

describe("the end", () => {
  it("finishes what is under way, takes nothing new and closes every connection", async () => {
    const port = await start();
    await connection.get("/echo");
    const slowCaller = new HttpConnection(`http://127.0.0.1:${port}`);
    const answer = slowCaller.get("/slow");
    await expect.poll(() => server.inFlight).toBe(1);
    const drained = server.drain();
    expect(server.isDraining).toBe(true);
    const refused = connect(port, "127.0.0.1");
    const [error] = await once(refused, "error");
    expect(error).toMatchObject({ code: "ECONNREFUSED" });
    slow.resolve();
    expect(await answer).toMatchObject({ status: 200, json: { done: true } });
    expect((await answer).headers.connection).toBe("close");
    await drained;
    expect(server.inFlight).toBe(0);
  });

  it("says in one line which port is taken and how to choose another", async () => {
    const port = await start();
    const other = new HttpServer({ routes: ROUTES, onError: () => undefined, onBug: () => undefined });
    await expect(other.listen(port, "127.0.0.1")).rejects.toMatchObject({
      code: "PARL_UNAVAILABLE",
      field: "http",
      message: `port ${port} on 127.0.0.1 is taken; choose another with --http, or another address with --host`,
    });
  });
});
