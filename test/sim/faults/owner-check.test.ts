import { expect, it } from "vitest";
import {
  checkOwners,
  checkVerdicts,
  withOwners,
  type CensusSample,
} from "../../../sim/faults/owner-check.ts";
import type { Call } from "../../../sim/faults/ledger.ts";
import { call } from "./calls.ts";

/** One census: the epoch of shard 7 as each process told it. */
function census(told: Readonly<Record<string, number>>): CensusSample {
  const members = Object.entries(told).map(([member, epoch]) => ({ member, owned: [{ shard: 7, epoch }] }));
  return { atUs: 0, unowned: 0, members };
}

it("finds nothing in a shard that moves on", () => {
  expect(checkOwners([census({ a: 1 }), census({ a: 1, b: 2 }), census({ b: 2 }), census({ a: 3 })])).toEqual(
    [],
  );
});

it("finds two owners of one epoch, at once or one after the other", () => {
  expect(checkOwners([census({ a: 1, b: 1 })])[0]?.message).toBe("epoch 1 belongs to a and to b");
  expect(checkOwners([census({ a: 1 }), census({ b: 1 })])).toHaveLength(1);
});

it("finds an epoch that falls", () => {
  expect(checkOwners([census({ a: 2 }), census({ b: 1 })])[0]?.message).toBe("its epoch fell from 2 to 1");
});

/** A call that begins then and takes so long. */
function verdict(atMs: number, epoch: number, sequence: number, tookMs = 1, shard = 7) {
  const returnedUs = (atMs + tookMs) * 1_000;
  return call("gcra", atMs, { shard, epoch, sequence, returnedUs });
}

function messagesOf(...calls: readonly Call[]): string[] {
  return checkVerdicts(calls).map(({ subject, message }) => `${subject}: ${message}`);
}

it("finds nothing in verdicts of one owner after the other, in whatever order they were read", () => {
  expect(messagesOf(verdict(0, 1, 10), verdict(2, 1, 11), verdict(4, 2, 3), verdict(6, 2, 4))).toEqual([]);
  // Under way at the same time: either may have been first.
  expect(messagesOf(verdict(0, 2, 9, 5), verdict(1, 1, 50, 1), verdict(3, 2, 8, 5))).toEqual([]);
  expect(messagesOf(verdict(0, 9, 10), verdict(2, 1, 5, 1, 8))).toEqual([]);
  const unknown = call("gcra", 9, { outcome: "unknown", shard: 7 });
  expect(messagesOf(verdict(0, 2, 10), unknown)).toEqual([]);
});

it("finds a verdict of an owner that had been replaced", () => {
  expect(messagesOf(verdict(0, 1, 10), verdict(2, 2, 1), verdict(4, 1, 11))).toEqual([
    "shard 7: a verdict of epoch 1 came after one of epoch 2",
  ]);
});

it("finds two processes that decide under one epoch, by the numbers of their decisions", () => {
  expect(messagesOf(verdict(0, 1, 500), verdict(2, 1, 20))).toEqual([
    "shard 7: decision 20 of epoch 1 came after decision 500",
  ]);
  expect(messagesOf(verdict(0, 1, 500), verdict(2, 1, 500))).toHaveLength(1);
});

it("names the owner of a verdict where a census has seen the epoch", () => {
  const [known, unknown] = withOwners([verdict(0, 1, 1), verdict(0, 3, 1)], [census({ a: 1, b: 2 })]);
  expect([known?.owner, unknown?.owner]).toEqual(["a", undefined]);
});
