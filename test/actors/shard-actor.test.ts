import { describe, expect, it } from "vitest";
import { eventOf } from "../../actors/subjects.ts";
import { homeShard } from "../../core/key.ts";
import { FRAME_BYTES_MAX, PackedRequestWriter } from "../../core/packed-request.ts";
import { itemsOf, LoneShardActor, NATS_PAYLOAD_BYTES_MAX, policiesOf, SHARDS } from "./lone-shard-actor.ts";

const ITEM_HEAD_BYTES = 8;
const HEADER_BYTES = 16;
const PER_KEY = "name: per-key, dimension: key, algorithm: fixed-window, limit: 5, window: 1d";
const HOME = homeShard("acme", "k", 64);

/** A frame of `count` items, each just a head. */
function frameOfHeads(count: number, head: readonly number[]): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + count * ITEM_HEAD_BYTES);
  frame.set([1, 0, ITEM_HEAD_BYTES]);
  new DataView(frame.buffer).setUint16(4, count, true);
  for (let item = 0; item < count; item += 1) frame.set(head, HEADER_BYTES + item * ITEM_HEAD_BYTES);
  return frame;
}

describe("ShardActor", () => {
  it("answers a frame full of bad items with no more than NATS carries in one message", () => {
    const lone = new LoneShardActor(policiesOf());
    const count = Math.floor((FRAME_BYTES_MAX - HEADER_BYTES) / ITEM_HEAD_BYTES);
    const unknownTier = [200, 0, 0, 0];
    const reply = lone.frame("acme", 0, frameOfHeads(count, unknownTier));
    expect(reply.length).toBeLessThanOrEqual(NATS_PAYLOAD_BYTES_MAX);
  });

  it("answers a frame full of checks with ids with no more than NATS carries in one message", () => {
    const name = "a-policy-name-of-the-greatest-length-".padEnd(64, "x");
    const lone = new LoneShardActor(
      policiesOf(`name: ${name}, dimension: key, algorithm: gcra, limit: 1000000, window: 1s`),
    );
    const writer = new PackedRequestWriter("check");
    while (writer.hasRoom) writer.add("approximate", 1, "k", "", writer.count.toString(36));
    const reply = lone.frame("acme", homeShard("acme", "k", 64), writer.take(0));
    expect(reply.length).toBeLessThanOrEqual(NATS_PAYLOAD_BYTES_MAX);
    expect(itemsOf(reply).at(-1)).toMatchObject({ kind: "decision", text: name });
  });

  it("leaves a check that came by a shard not open here to its owner, who has a copy", () => {
    const lone = new LoneShardActor(policiesOf(PER_KEY));
    lone.step({ kind: "shard-closed", shard: HOME });
    const payload = new TextEncoder().encode("{}");
    lone.step(eventOf(`parl.shard.${HOME}.check.acme.k`, payload, "r"));
    expect([lone.replies, lone.sent]).toEqual([[], []]);
  });

  it("sends a check that was sent on no further, but back to whoever asks", () => {
    const lone = new LoneShardActor(policiesOf());
    lone.step({ kind: "shard-closed", shard: HOME });
    const wrong = (HOME + 1) % SHARDS;
    const payload = new TextEncoder().encode("{}");
    const answer = lone.answer(eventOf(`parl.shard.${wrong}.hop.check.acme.k`, payload, "r"));
    expect(JSON.parse(new TextDecoder().decode(answer))).toMatchObject({ error: { code: "PARL_NOT_OWNER" } });
    expect(lone.sent).toEqual([]);
    lone.step(eventOf("parl.check.acme.k", payload, "r"));
    expect(lone.sent).toMatchObject([{ subject: `parl.shard.${HOME}.hop.check.acme.k`, replyTo: "r" }]);
  });

  it.each([
    ["a later owner's", 8],
    ["no number", Number.NaN],
  ])("refuses a frame whose epoch is %s, counts and explains it, and charges nothing", (_, epoch) => {
    const lone = new LoneShardActor(policiesOf(PER_KEY));
    const writer = new PackedRequestWriter("check");
    writer.add("approximate", 1, "k", "", "");
    writer.add("approximate", 1, "k", "", "an-id");
    const before = lone.region();
    const { error } = JSON.parse(new TextDecoder().decode(lone.frame("acme", HOME, writer.take(epoch)))) as {
      error: Record<string, unknown>;
    };
    expect(error).toMatchObject({ code: "PARL_NOT_OWNER", field: "epoch", retryAfterMs: 100 });
    expect(error["message"]).toContain(`knows epoch ${epoch} of its shard, this owner's is 7`);
    expect(lone.region()).toEqual({ ...(before as object), errors: { PARL_NOT_OWNER: 1 } });
    expect(lone.json("check", "acme", "k", { tokens: 0 })).toMatchObject({ remaining: 5 });
    for (const known of [0, 6, 7]) {
      writer.add("approximate", 1, "k", "", "");
      expect(itemsOf(lone.frame("acme", HOME, writer.take(known)))).toMatchObject([{ kind: "decision" }]);
    }
  });

  it("tells checks in a frame for another shard where their home is, counts them, and charges nothing", () => {
    const lone = new LoneShardActor(policiesOf(PER_KEY));
    const writer = new PackedRequestWriter("check");
    writer.add("approximate", 1, "k", "", "");
    writer.add("approximate", 1, "k", "", "an-id");
    const items = itemsOf(lone.frame("acme", (HOME + 1) % 64, writer.take(0)));
    expect(items).toEqual([1, 2].map(() => ({ kind: "moved", shard: HOME })));
    expect(lone.region()).toMatchObject({ tallies: { strays: { misplaced: 2, unowned: 0 } } });
    expect(lone.json("check", "acme", "k", { tokens: 0 })).toMatchObject({ remaining: 5 });
  });

  it("leaves a frame for a shard that is not its own to the owner, and counts it", () => {
    const lone = new LoneShardActor(policiesOf(PER_KEY));
    const writer = new PackedRequestWriter("check");
    writer.add("approximate", 1, "k", "", "");
    lone.step({ kind: "shard-closed", shard: HOME });
    const payload = writer.take(0);
    lone.step({ kind: "packed-frame", tenant: "acme", shard: HOME, payload, via: HOME, replyTo: "r" });
    expect(lone.replies).toEqual([]);
    expect(lone.region()).toMatchObject({ tallies: { strays: { misplaced: 0, unowned: 1 } } });
    // What came by a subject of the region at large reaches it by its own.
    lone.step({ kind: "packed-frame", tenant: "acme", shard: HOME, payload, via: -1, replyTo: "r" });
    expect(lone.sent).toEqual([{ subject: `parl.shard.${HOME}.pack.acme`, payload, replyTo: "r" }]);
  });

  it("weighs a frame by what it can hold, not by what it claims", () => {
    const { actor } = new LoneShardActor(policiesOf());
    const weigh = (payload: Uint8Array) =>
      actor.weigh({ kind: "packed-frame", tenant: "acme", shard: 0, payload, via: 0, replyTo: "r" });
    const lie = Uint8Array.of(1, 0, 8, 0, 0xff, 0xff);
    expect(weigh(lie)).toBe(1);
    expect(weigh(frameOfHeads(10, []))).toBe(10);
    const exaggerated = frameOfHeads(10, []);
    exaggerated.set([0xff, 0xff], 4);
    expect(weigh(exaggerated)).toBe(10);
  });
});
