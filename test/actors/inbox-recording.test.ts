import { describe, expect, it } from "vitest";
import { decodeInboxLine, encodeInboxLine } from "../../actors/inbox-recording.ts";
import type { ShardEvent } from "../../actors/shard-event.ts";
import { micros } from "../../core/units.ts";
import { NOW_US, policiesOf } from "./lone-shard-actor.ts";

const request = {
  kind: "key-request",
  verb: "check",
  tenant: "acme",
  key: "a",
  isForwarded: false,
  via: -1,
  replyTo: "r",
} as const;

function reread(event: ShardEvent): ShardEvent {
  const { event: again, nowUs } = decodeInboxLine(encodeInboxLine(event, micros(NOW_US)));
  expect(nowUs).toBe(NOW_US);
  return again;
}

describe("an inbox recording", () => {
  it("keeps bytes", () => {
    const payload = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    expect(reread({ ...request, payload })).toStrictEqual({ ...request, payload });
  });

  it("keeps bytes as the network hands them over, in a Buffer", () => {
    const payload = Buffer.from('{"tokens":1}');
    expect(reread({ ...request, payload })).toEqual({ ...request, payload: new Uint8Array(payload) });
  });

  it("keeps changed policies", () => {
    const document = policiesOf(
      "name: a, dimension: key, algorithm: gcra, limit: 5, window: 1s, match: { tenant: [x, y] }",
    );
    const event: ShardEvent = {
      kind: "policies-changed",
      document: { ...document, plans: new Map([["__proto__", "gold"]]) },
    };
    expect(reread(event)).toStrictEqual(event);
  });
});
