import { expect, it } from "vitest";
import { checkExhausted } from "../../../sim/faults/exhausted-check.ts";
import { LIMITS } from "../../../sim/faults/limits.ts";
import type { Call } from "../../../sim/faults/ledger.ts";
import { call } from "./calls.ts";

const limits = LIMITS.filter(({ name }) => name === "window-key");
const found = (calls: readonly Call[]): number => checkExhausted(calls, limits).length;
const denied = (atMs: number, retryAfterUs: number, cost = 1): Call =>
  call("window", atMs, { outcome: "denied", retryAfterUs, cost });

it("finds whoever was let in before the time a denial named", () => {
  expect(found([denied(10, 1_000_000), call("window", 500)])).toBe(1);
  expect(found([denied(10, 1_000_000), call("window", 1_011)])).toBe(0);
});

it("does not hold a denial against a call that began before its answer was read", () => {
  expect(found([denied(10, 1_000_000), call("window", 10.5)])).toBe(0);
});

it("does not hold a dear call's denial against a cheap call", () => {
  expect(found([denied(10, 1_000_000, 2), call("window", 500)])).toBe(0);
  expect(found([denied(10, 1_000_000, 1), call("window", 500, { cost: 2 })])).toBe(1);
});

it("keeps keys apart", () => {
  expect(found([denied(10, 1_000_000), call("window", 500, { key: "another" })])).toBe(0);
});
