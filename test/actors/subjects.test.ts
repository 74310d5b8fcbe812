import { describe, expect, it } from "vitest";
import { eventOf, shardSubject } from "../../actors/subjects.ts";

const payload = new Uint8Array(3);

describe("a message becomes an event", () => {
  it.each([
    [
      "parl.check.acme.alice",
      { kind: "key-request", verb: "check", tenant: "acme", key: "alice", payload, isForwarded: false },
    ],
    [
      "parl.shard.3.check.acme.alice",
      {
        kind: "key-request",
        verb: "check",
        tenant: "acme",
        key: "alice",
        payload,
        isForwarded: false,
        via: 3,
      },
    ],
    [
      "parl.report.acme.alice",
      { kind: "key-request", verb: "report", tenant: "acme", key: "alice", payload, isForwarded: false },
    ],
    [
      "parl.shard.3.report.acme.alice",
      {
        kind: "key-request",
        verb: "report",
        tenant: "acme",
        key: "alice",
        payload,
        isForwarded: false,
        via: 3,
      },
    ],
    [
      "parl.observe.key.acme.alice",
      { kind: "key-request", verb: "observe", tenant: "acme", key: "alice", payload, isForwarded: false },
    ],
    [
      "parl.shard.3.observe.acme.alice",
      {
        kind: "key-request",
        verb: "observe",
        tenant: "acme",
        key: "alice",
        payload,
        isForwarded: false,
        via: 3,
      },
    ],
    ["parl.pack.acme.63", { kind: "packed-frame", tenant: "acme", shard: 63, payload }],
    ["parl.shard.63.pack.acme", { kind: "packed-frame", tenant: "acme", shard: 63, payload, via: 63 }],
    ["parl.observe.region", { kind: "inquiry", what: "member", name: "" }],
    ["parl.members.observe", { kind: "inquiry", what: "member", name: "" }],
    ["parl.shard.7.state", { kind: "inquiry", what: "shard", name: "7", via: 7 }],
    ["parl.observe.policy.per-key", { kind: "inquiry", what: "policy", name: "per-key" }],
    ["parl.observe.shard.7", { kind: "inquiry", what: "shard", name: "7" }],
    [
      "parl.shard.3.hop.check.acme.alice",
      {
        kind: "key-request",
        verb: "check",
        tenant: "acme",
        key: "alice",
        payload,
        isForwarded: true,
        via: 3,
      },
    ],
    // A tenant, a key or a policy may be called like anything else here.
    [
      "parl.check.shard.check",
      { kind: "key-request", verb: "check", tenant: "shard", key: "check", payload, isForwarded: false },
    ],
    [
      "parl.observe.key.key.region",
      { kind: "key-request", verb: "observe", tenant: "key", key: "region", payload, isForwarded: false },
    ],
    ["parl.observe.policy.region", { kind: "inquiry", what: "policy", name: "region" }],
  ])("%s", (subject, event) => {
    expect(eventOf(subject, payload, "r")).toEqual({ via: -1, ...event, replyTo: "r" });
  });

  it.each([
    "parl.check",
    "parl.check.acme",
    "parl.check.acme.a.b",
    "parl.shard.3.check.acme.a.b",
    "parl.shard.3.check.acme",
    "parl.report.acme",
    "parl.pack.acme",
    "parl.pack.acme.3.4",
    "parl.shard.3.pack.acme.4",
    "parl.shard.3",
    "parl.shard",
    "parl.observe",
    "parl.observe.key.acme",
    "parl.observe.region.eu",
    "parl.observe.policy",
    "parl.observe.shard.1.2",
    "parl.shard.3.hop.pack.acme",
    "parl.shard.3.hop.steal.acme.alice",
    "parl.shard.3.state.now",
    "parl.members.steal",
    "parl.steal.acme.alice",
    "parl.check.acme.alice.",
  ])("%s is misdirected", (subject) => {
    expect(eventOf(subject, payload, "r")).toEqual({ kind: "misdirected", subject, via: -1, replyTo: "r" });
  });

  it("listens to everything that concerns a shard", () => {
    expect(shardSubject(12)).toBe("parl.shard.12.>");
  });
});
