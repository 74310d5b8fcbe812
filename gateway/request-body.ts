/**
 * A request's JSON body, of 4 KiB at most. What is beyond is read and dropped, so that the answer finds the
 * connection in order and the next request may follow on it; how long that takes is bounded by the server's
 * request timeout.
 */
import type { IncomingMessage } from "node:http";
import { ParlError, shown } from "../core/errors.ts";
import { JSON_BYTES_MAX, parseObject } from "../core/wire-json.ts";
import { HttpError } from "./http-error.ts";

/** The object's members. @throws ParlError PARL_MALFORMED, PARL_TOO_LARGE, or for another content type */
export async function readJsonBody(request: IncomingMessage): Promise<Map<string, unknown>> {
  const body = await readBody(request);
  requireJson(request.headers["content-type"]);
  return new Map(Object.entries(parseObject(body)));
}

function requireJson(contentType: string | undefined): void {
  const type = contentType?.split(";")[0]?.trim().toLowerCase();
  if (type === undefined || type === "application/json") return;
  const message = `the body must be application/json, not ${shown(type)}; set the header Content-Type`;
  throw new HttpError(415, new ParlError("PARL_INVALID_ARGUMENT", message, { field: "content-type" }));
}

function readBody(request: IncomingMessage): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= JSON_BYTES_MAX) chunks.push(chunk);
    });
    request.on("end", () => {
      if (bytes <= JSON_BYTES_MAX) resolve(Buffer.concat(chunks));
      else reject(tooLarge(bytes));
    });
    request.on("error", (cause) => {
      reject(new ParlError("PARL_MALFORMED", "the body ended early", { field: "message", cause }));
    });
  });
}

function tooLarge(bytes: number): ParlError {
  const message = `the body is ${bytes} bytes, at most ${JSON_BYTES_MAX} are read`;
  return new ParlError("PARL_TOO_LARGE", message, { field: "message" });
}
