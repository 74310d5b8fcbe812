import * as fc from "fast-check";
import { expect, it } from "vitest";
import { encodeInboxLine, playInbox } from "../../actors/inbox-recording.ts";
import type { ShardEvent } from "../../actors/shard-event.ts";
import { PackedRequestWriter } from "../../core/packed-request.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { LoneShardActor, policiesOf } from "./lone-shard-actor.ts";

const LINES = [
  "name: keys, dimension: key, algorithm: gcra, limit: 5, window: 3s",
  "name: all, dimension: org, algorithm: sliding-log, limit: 30, window: 5s",
];
const OTHER_LINES = ["name: keys, dimension: key, algorithm: gcra, limit: 2, window: 3s"];

const replyTo = fc.constantFrom("r", "");
const tenant = fc.constantFrom("acme", "globex", "_bad");
const key = fc.constantFrom("alice", "bob", "*");
const payload = fc.oneof(
  fc
    .constantFrom("", '{"tokens":2}', '{"tokens":1,"id":"x"}', '{"tokens":-1}')
    .map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 20 }),
);
const frame = fc.array(fc.constantFrom("alice", "bob", "carol"), { maxLength: 5 }).map((keys) => {
  const writer = new PackedRequestWriter("check");
  for (const each of keys) writer.add("approximate", 1, each, "", "");
  return writer.take(0);
});

const events: fc.Arbitrary<ShardEvent> = fc.oneof(
  fc.record({
    kind: fc.constant("key-request" as const),
    verb: fc.constantFrom("check" as const, "report" as const, "observe" as const),
    isForwarded: fc.boolean(),
    tenant,
    key,
    payload,
    via: fc.constantFrom(-1, 3),
    replyTo,
  }),
  fc.record({
    kind: fc.constant("packed-frame" as const),
    tenant,
    shard: fc.nat(63),
    payload: frame,
    via: fc.constant(-1),
    replyTo,
  }),
  fc.record({
    kind: fc.constant("inquiry" as const),
    what: fc.constantFrom("member" as const, "policy" as const, "shard" as const),
    name: fc.constantFrom("", "keys", "7"),
    via: fc.constant(-1),
    replyTo,
  }),
  fc.record({
    kind: fc.constant("misdirected" as const),
    subject: fc.constant("parl.check"),
    via: fc.constant(-1),
    replyTo,
  }),
  fc.constant({ kind: "tick" as const }),
  fc.record({ kind: fc.constant("shard-closed" as const), shard: fc.nat(63) }),
  fc.record({
    kind: fc.constant("shard-opened" as const),
    shard: fc.nat(63),
    epoch: fc.nat(9),
    isJournalled: fc.boolean(),
  }),
  fc.constantFrom(LINES, OTHER_LINES).map((lines) => ({
    kind: "policies-changed" as const,
    document: policiesOf(...lines),
  })),
);

it("plays a recorded inbox into a fresh actor, which says the same again, byte for byte", () => {
  const history = fc.array(fc.tuple(events, fc.nat(US_PER_S)), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(history, (arrivals) => {
      const live = new LoneShardActor(policiesOf(...LINES));
      const recording: string[] = [];
      for (const [event, waitUs] of arrivals) {
        live.nowUs += waitUs;
        recording.push(encodeInboxLine(event, micros(live.nowUs)));
        live.step(event);
      }
      const replayed = new LoneShardActor(policiesOf(...LINES));
      playInbox(recording, replayed.actor, replayed);
      expect(replayed.replies).toEqual(live.replies);
    }),
    { numRuns: 150 },
  );
});
