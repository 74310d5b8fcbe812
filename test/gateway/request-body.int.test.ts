import { afterAll, beforeAll, expect, it } from "vitest";
import { HttpServer } from "../../gateway/http-server.ts";
import { jsonAnswer } from "../../gateway/http-answer.ts";
import { readJsonBody } from "../../gateway/request-body.ts";
import { HttpConnection, type HttpReply } from "../harness/http-connection.ts";

const server = new HttpServer({
  routes: new Map([
    [
      "/echo",
      {
        method: "POST" as const,
        handle: async (request) => jsonAnswer(200, [...(await readJsonBody(request))]),
      },
    ],
  ]),
  onError: () => undefined,
  onBug: () => undefined,
});
let connection: HttpConnection;
let url: string;

beforeAll(async () => {
  url = `http://127.0.0.1:${await server.listen(0, "127.0.0.1")}`;
  connection = new HttpConnection(url);
});

afterAll(async () => {
  connection.close();
  await server.drain();
});

function post(body: string | Uint8Array, type?: string): Promise<HttpReply> {
  const headers = type === undefined ? {} : { "Content-Type": type };
  return connection.ask("/echo", { method: "POST", headers, body });
}

it("reads the object's own members, whatever they are called", async () => {
  const { json } = await post('{"key":"a","__proto__":1,"tokens":2}', "application/json; charset=utf-8");
  expect(json).toEqual([
    ["key", "a"],
    ["__proto__", 1],
    ["tokens", 2],
  ]);
  expect((await post('{"key":"a"}')).json).toEqual([["key", "a"]]);
  expect(({} as Record<string, unknown>)["key"]).toBeUndefined();
});

const bytes = (count: number) => `{"key":"${"x".repeat(count - 10)}"}`;

it("takes 4 KiB and not a byte more", async () => {
  expect((await post(bytes(4_096))).status).toBe(200);
  expect((await post(bytes(4_097))).status).toBe(413);
});

const MALFORMED = { status: 400, code: "PARL_MALFORMED", field: "message" };
const TOO_LARGE = { status: 413, code: "PARL_TOO_LARGE", field: "message" };
const OTHER_TYPE = { status: 415, code: "PARL_INVALID_ARGUMENT", field: "content-type" };

interface BadBody {
  readonly body: string | Uint8Array;
  readonly type?: string;
  readonly answer: { readonly status: number; readonly code: string; readonly field: string };
}

it.each<[string, BadBody]>([
  ["no body at all", { body: "", answer: MALFORMED }],
  ["a body that ends early", { body: '{"key":"a"', answer: MALFORMED }],
  ["an array", { body: "[1]", answer: MALFORMED }],
  ["null", { body: "null", answer: MALFORMED }],
  ["bytes that are no UTF-8", { body: Uint8Array.of(0xff, 0xfe), answer: MALFORMED }],
  ["a mebibyte", { body: bytes(2 ** 20), answer: TOO_LARGE }],
  ["a form", { body: "key=a", type: "application/x-www-form-urlencoded", answer: OTHER_TYPE }],
  ["text", { body: '{"key":"a"}', type: "text/plain", answer: OTHER_TYPE }],
])("refuses %s, and the connection stays open", async (_what, { body, type, answer }) => {
  const { status, headers, json } = await post(body, type ?? "application/json");
  expect({ status, code: json.error.code, field: json.error.field }).toEqual(answer);
  expect(headers["content-type"]).toBe("application/problem+json");
  expect((await post('{"key":"a"}')).isReused).toBe(true);
});

it("survives a caller that leaves in the middle of a body", async () => {
  const leaving = new HttpConnection(url);
  const asked = leaving.ask("/echo", { method: "POST", headers: { "Content-Length": "100" }, body: "half" });
  await expect.poll(() => server.inFlight).toBe(1);
  leaving.close();
  await expect(asked).rejects.toThrow();
  await expect.poll(() => server.inFlight).toBe(0);
  expect((await post('{"key":"a"}')).status).toBe(200);
});
