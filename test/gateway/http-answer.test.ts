import { expect, it } from "vitest";
import { ERROR_CODES, ERRORS, invalidArgument, ParlError } from "../../core/errors.ts";
import { errorAnswer } from "../../gateway/http-answer.ts";

it("writes an error as a problem that carries the error object of the wire", () => {
  const answer = errorAnswer(invalidArgument("tokens", "whole", 1.5));
  expect(answer.status).toBe(400);
  expect(answer.headers).toEqual(["Content-Type", "application/problem+json", "Cache-Control", "no-store"]);
  expect(JSON.parse(answer.body)).toEqual({
    type: "about:blank",
    title: "Bad Request",
    status: 400,
    detail: "tokens must be whole, got 1.5",
    error: { code: "PARL_INVALID_ARGUMENT", field: "tokens", message: "tokens must be whole, got 1.5" },
  });
});

it.each(ERROR_CODES)("answers %s with the status of the table", (code) => {
  expect(errorAnswer(new ParlError(code, "no")).status).toBe(ERRORS[code].http);
});

it("tells when trying again makes sense, in whole seconds", () => {
  const { headers, body } = errorAnswer(new ParlError("PARL_OVERLOADED", "full", { retryAfterMs: 100 }));
  expect(headers.slice(-2)).toEqual(["Retry-After", "1"]);
  expect(JSON.parse(body)).toMatchObject({ error: { retryAfterMs: 100 } });
});
