import { describe, expect, it } from "vitest";
import { encodeFinal, finalChunks, type FinalState } from "../../../actors/handoff/final-state.ts";
import { encodeEpoch, encodeError, PAYLOAD_BYTES_MAX } from "../../../actors/handoff/messages.ts";
import { Taker } from "../../../actors/handoff/taker.ts";
import type { OwnerRecord, TakerEvent } from "../../../actors/handoff/transfer.ts";
import { ParlError } from "../../../core/errors.ts";
import { micros } from "../../../core/units.ts";
import { StagedModel } from "./model-shard.ts";
import {
  A,
  B,
  C,
  messageFrom,
  NOTHING,
  RecordingOutbox,
  SHARD,
  shardMessage,
  TRANSFER,
} from "./recording-outbox.ts";

const EPOCH = 40;
const MS = 1_000;
const text = (page: string): Uint8Array => new TextEncoder().encode(page);

class HandDrivenTaker {
  readonly outbox = new RecordingOutbox();
  readonly staged = new StagedModel();
  readonly taker: Taker;
  nowUs = 1_000_000;

  constructor(parkedWeightMax = 100) {
    const facts = { self: B, giver: A, shard: SHARD, transfer: TRANSFER, epoch: EPOCH };
    this.taker = new Taker(
      { ...facts, staged: this.staged, isFenced: false, parkedWeightMax },
      micros(this.nowUs),
      this.outbox,
    );
  }

  /** After one page, at a state. */
  static at(state: "receiving" | "subscribing" | "committed", parkedWeightMax?: number): HandDrivenTaker {
    const driven = new HandDrivenTaker(parkedWeightMax);
    driven.page(0, "alice=1;bob=2;");
    if (state !== "receiving") driven.hear("subscribe");
    if (state === "committed") driven.step({ kind: "subscribed" });
    driven.outbox.take();
    return driven;
  }

  step(event: TakerEvent, afterUs = 0): string[] {
    this.nowUs += afterUs;
    this.taker.step(event, micros(this.nowUs), this.outbox);
    return this.outbox.take();
  }

  hear(kind: "subscribe" | "refuse" | "abort"): string[] {
    const payload = kind === "subscribe" ? NOTHING : encodeError(new ParlError("PARL_OVERLOADED", "later"));
    return this.step({ kind: "message", message: messageFrom(A, kind, { payload }) });
  }

  page(number: number, page: string): string[] {
    return this.step({ kind: "message", message: messageFrom(A, "page", { number, payload: text(page) }) });
  }

  final(state: Partial<FinalState> = {}): string[] {
    const bytes = encodeFinal({
      nowUs: micros(5_000),
      pages: 1,
      dirty: [text("bob=3;")],
      answered: [],
      loans: NOTHING,
      answeredIds: NOTHING,
      ...state,
    });
    const lines: string[] = [];
    const chunks = finalChunks(bytes);
    for (const [number, payload] of chunks.entries()) {
      const message = messageFrom(A, "final", { number, count: chunks.length, payload });
      lines.push(...this.step({ kind: "message", message }));
    }
    return lines;
  }

  moved(epoch = 41, payload = encodeEpoch(epoch)): string[] {
    return this.step({ kind: "message", message: messageFrom(A, "moved", { payload }) });
  }

  /** FINAL, and the word that it counts. */
  end(state: Partial<FinalState> = {}): string[] {
    return [...this.final(state), ...this.moved()];
  }

  park(...replyTo: string[]): void {
    for (const one of replyTo) this.taker.park(shardMessage(one), 1);
  }
}

function owner(id: typeof A, epoch: number, how: OwnerRecord["how"]): TakerEvent {
  return { kind: "owner-seen", owner: { ...id, epoch, how } };
}

describe("a taker", () => {
  it("takes over: ASK, pages, subscription, READY, FINAL, MOVED, what was parked", () => {
    const driven = new HandDrivenTaker();
    expect(driven.outbox.take()).toEqual(["ask → a"]);
    expect(driven.page(0, "alice=1;bob=2;")).toEqual(["ack 1 → a"]);
    expect(driven.page(1, "carol=3;")).toEqual(["ack 2 → a"]);
    expect(driven.hear("subscribe")).toEqual(["subscribe 7"]);
    driven.park("r1");
    expect(driven.step({ kind: "tick" }, 500 * MS)).toEqual([]);
    expect(driven.step({ kind: "subscribed" })).toEqual(["ready → a"]);
    expect(driven.page(2, "bob=3;")).toEqual(["ack 3 → a"]);
    driven.park("r2", "r3");
    const last = { pages: 3, dirty: [text("bob=4;"), text("dave=5;")], answered: ["r2", "r0"] };
    expect(driven.final(last)).toEqual([]);
    expect(driven.moved()).toEqual([
      "final-ack → a",
      "adopt 7 epoch 41",
      "replay r1",
      "replay r3",
      "taker adopted confirmed",
    ]);
    expect(driven.outbox.arrived).toMatchObject({ staged: driven.staged, nowUs: 5_000 });
    expect(Object.fromEntries(driven.staged.counts)).toEqual({ alice: 1, bob: 4, carol: 3, dave: 5 });
    // Its copy of r0 may still arrive.
    expect(driven.taker.answered.subjects()).toEqual(["r0"]);
  });

  it("shows nothing before FINAL, and decides nothing before it is the owner", () => {
    const driven = HandDrivenTaker.at("committed");
    driven.park("r1");
    driven.page(1, "carol=3;");
    expect(driven.final({ pages: 2 })).toEqual([]);
    for (let i = 0; i < 10; i += 1) driven.step({ kind: "tick" }, 500 * MS);
    expect(driven.outbox.arrived).toBeUndefined();
    expect(driven.staged.isDiscarded).toBe(false);
  });

  it.each([
    ["MOVED", (driven: HandDrivenTaker) => driven.moved()],
    ["the watch", (driven: HandDrivenTaker) => driven.step(owner(B, 41, "handed-over"))],
  ])("is the owner by %s, before FINAL or after it, and minds nothing that comes later", (_, own) => {
    const all = ["final-ack → a", "adopt 7 epoch 41", "taker adopted confirmed"];
    const after = HandDrivenTaker.at("committed");
    expect([after.final(), own(after)]).toEqual([[], all]);
    const before = HandDrivenTaker.at("committed");
    expect([before.moved(), own(before), before.final()]).toEqual([[], [], all]);
    expect([...before.end(), ...own(before)]).toEqual([]);
  });

  it("takes a page once, and acknowledges it as often as it comes", () => {
    const driven = HandDrivenTaker.at("receiving");
    expect(driven.page(0, "alice=9;")).toEqual(["ack 1 → a"]);
    expect(driven.staged.counts.get("alice")).toBe(1);
  });

  it("waits for all chunks of FINAL", () => {
    const driven = HandDrivenTaker.at("committed");
    const lines = driven.end({ loans: new Uint8Array(2 * PAYLOAD_BYTES_MAX) });
    expect(lines).toEqual(["final-ack → a", "adopt 7 epoch 41", "taker adopted confirmed"]);
    expect(driven.outbox.sent.filter(({ message }) => message.kind === "final-ack")).toHaveLength(1);
  });

  it("refuses what found no room in the park only as the owner, and only if nobody has answered", () => {
    const driven = HandDrivenTaker.at("committed", 1);
    driven.park("r1", "r2", "r3");
    expect(driven.outbox.take()).toEqual([]);
    expect(driven.end({ answered: ["r2"] })).toEqual([
      "final-ack → a",
      "adopt 7 epoch 41",
      "replay r1",
      "refuse r3 PARL_OVERLOADED",
      "taker adopted confirmed",
    ]);
  });

  it("says READY again, so that a giver that has given up says so again", () => {
    const driven = HandDrivenTaker.at("committed");
    expect(driven.step({ kind: "tick" }, 499 * MS)).toEqual([]);
    expect(driven.step({ kind: "tick" }, MS)).toEqual(["ready → a"]);
    expect(driven.hear("abort")).toEqual(["unsubscribe 7", "taker aborted PARL_OVERLOADED"]);
  });
});

describe("a taker that gets what it must not", () => {
  const MALFORMED = ["abort → a", "taker aborted PARL_MALFORMED"];

  it.each(["receiving", "subscribing", "committed"] as const)("%s: refuses a page out of order", (state) => {
    const driven = HandDrivenTaker.at(state);
    const [abort, ended] = MALFORMED;
    const left = state === "receiving" ? [abort, ended] : [abort, "unsubscribe 7", ended];
    expect(driven.page(2, "carol=3;")).toEqual(left);
    expect(driven.outbox.ends[0]?.error?.message).toMatch(/page 2, page 1 has not arrived: out of order/);
    expect(driven.outbox.refusals).toEqual([driven.outbox.ends[0]?.error]);
    expect(driven.staged.isDiscarded).toBe(true);
    expect(driven.page(1, "carol=3;")).toEqual([]);
  });

  it("refuses a page that is wrong inside", () => {
    const driven = HandDrivenTaker.at("receiving");
    expect(driven.page(1, "carol")).toEqual(MALFORMED);
    expect(driven.staged.isDiscarded).toBe(true);
    expect(driven.outbox.refusals).toHaveLength(1);
  });

  it("ends when a message cannot be read", () => {
    const driven = HandDrivenTaker.at("receiving");
    const error = new ParlError("PARL_UNSUPPORTED_VERSION", "speaks version 2");
    expect(driven.step({ kind: "bad-message", error })).toEqual([
      "abort → a",
      "taker aborted PARL_UNSUPPORTED_VERSION",
    ]);
  });

  it("waits for the next copy when a chunk of FINAL cannot be read", () => {
    const driven = HandDrivenTaker.at("committed");
    const error = new ParlError("PARL_MALFORMED", "does not match its checksum");
    expect(driven.step({ kind: "bad-message", error })).toEqual([]);
    expect(driven.end()).toContain("adopt 7 epoch 41");
  });

  it.each([
    ["FINAL", (driven: HandDrivenTaker) => driven.final()],
    ["MOVED", (driven: HandDrivenTaker) => driven.moved()],
  ])("refuses %s before it is ready", (_, end) => {
    expect(end(HandDrivenTaker.at("receiving"))).toEqual(MALFORMED);
    const [abort, ended] = MALFORMED;
    expect(end(HandDrivenTaker.at("subscribing"))).toEqual([abort, "unsubscribe 7", ended]);
  });

  it.each<[string, Partial<FinalState>]>([
    ["that presupposes more pages", { pages: 2 }],
    ["that presupposes fewer pages", { pages: 0 }],
    ["with a page that is wrong inside", { dirty: [text("carol")] }],
  ])("adopts nothing of a FINAL %s, and recovers once the shard is its own", (_, state) => {
    const driven = HandDrivenTaker.at("committed");
    driven.park("r1");
    expect(driven.final(state)).toEqual([]);
    expect(driven.outbox.refusals).toHaveLength(1);
    expect(driven.moved()).toEqual(["abort → a", "taker recover PARL_MALFORMED"]);
    expect([driven.outbox.arrived, driven.staged.isDiscarded]).toEqual([undefined, true]);
    const owning = HandDrivenTaker.at("committed");
    owning.moved();
    expect(owning.final(state)).toEqual(["abort → a", "taker recover PARL_MALFORMED"]);
  });

  it("leaves after such a FINAL when the shard becomes somebody else's", () => {
    const driven = HandDrivenTaker.at("committed");
    driven.final({ pages: 2 });
    expect(driven.step(owner(C, 41, "recovered"))).toEqual([
      "abort → a",
      "unsubscribe 7",
      "taker aborted PARL_NOT_OWNER",
    ]);
  });

  it.each<[string, number, Uint8Array?]>([
    ["of no later epoch", EPOCH],
    ["without an epoch", 41, NOTHING],
    ["of another epoch than the record's", 44],
  ])("adopts nothing after a MOVED %s, and recovers", (_, epoch, payload) => {
    const driven = HandDrivenTaker.at("committed");
    if (epoch > 41) driven.step(owner(B, 45, "handed-over"));
    expect(driven.moved(epoch, payload)).toEqual(["abort → a", "taker recover PARL_MALFORMED"]);
    expect(driven.outbox.refusals).toHaveLength(1);
    expect(driven.end()).toEqual([]);
  });

  it("adopts nothing when the record speaks of a later epoch than the giver", () => {
    const driven = HandDrivenTaker.at("committed");
    driven.moved(41);
    expect(driven.step(owner(B, 45, "handed-over"))).toEqual(["abort → a", "taker recover PARL_NOT_OWNER"]);
  });
});

describe("a taker in doubt", () => {
  const GONE = ["abort → a", "taker aborted PARL_UNAVAILABLE"];

  it("gives up after two seconds of silence, as long as it has promised nothing", () => {
    const driven = HandDrivenTaker.at("receiving");
    expect(driven.step({ kind: "tick" }, 1_999 * MS)).toEqual([]);
    expect(driven.page(1, "carol=3;")).toEqual(["ack 2 → a"]);
    expect(driven.step({ kind: "tick" }, 1_999 * MS)).toEqual([]);
    expect(driven.step({ kind: "tick" }, MS)).toEqual(GONE);
    const subscribing = HandDrivenTaker.at("subscribing");
    expect(subscribing.step({ kind: "tick" }, 2_000 * MS)).toEqual([GONE[0], "unsubscribe 7", GONE[1]]);
  });

  it("keeps its promise: after READY it waits, however long", () => {
    const driven = HandDrivenTaker.at("committed");
    driven.park("r1");
    for (let i = 0; i < 100; i += 1) driven.step({ kind: "tick" }, 500 * MS);
    expect(driven.end()).toContain("replay r1");
  });

  it("withdraws until READY, and not after it", () => {
    expect(HandDrivenTaker.at("receiving").step({ kind: "withdrawn" })).toEqual(GONE);
    const subscribing = HandDrivenTaker.at("subscribing");
    expect(subscribing.step({ kind: "withdrawn" })).toEqual([GONE[0], "unsubscribe 7", GONE[1]]);
    const committed = HandDrivenTaker.at("committed");
    committed.park("r1");
    expect(committed.step({ kind: "withdrawn" })).toEqual([]);
    expect(committed.end()).toContain("replay r1");
  });

  it("leaves when refused", () => {
    const driven = new HandDrivenTaker();
    driven.outbox.take();
    expect(driven.hear("refuse")).toEqual(["taker aborted PARL_OVERLOADED"]);
  });

  it("leaves the shard to placement when the giver dies before the record names a new owner", () => {
    expect(HandDrivenTaker.at("receiving").step({ kind: "peer-gone" })).toEqual(GONE);
    const committed = HandDrivenTaker.at("committed");
    expect(committed.step({ kind: "peer-gone" })).toEqual([GONE[0], "unsubscribe 7", GONE[1]]);
    const ended = HandDrivenTaker.at("committed");
    ended.final();
    expect(ended.step({ kind: "peer-gone" })).toEqual([GONE[0], "unsubscribe 7", GONE[1]]);
    expect(ended.outbox.arrived).toBeUndefined();
  });

  it("leaves when the giver gives up after FINAL: its write was not stored, and the state moved on", () => {
    const driven = HandDrivenTaker.at("committed");
    driven.final();
    expect(driven.hear("abort")).toEqual(["unsubscribe 7", "taker aborted PARL_OVERLOADED"]);
    expect([driven.staged.isDiscarded, driven.step(owner(B, 41, "handed-over"))]).toEqual([true, []]);
  });

  it("recovers when the giver dies after it: subscribed, and without what was parked", () => {
    const driven = HandDrivenTaker.at("committed");
    driven.park("r1");
    expect(driven.step(owner(B, 41, "handed-over"))).toEqual([]);
    expect(driven.step({ kind: "peer-gone" })).toEqual(["abort → a", "taker recover PARL_UNAVAILABLE"]);
    expect(driven.outbox.ends[0]).toMatchObject({ epoch: 41 });
    expect(driven.end()).toEqual([]);
  });

  it("recovers when the giver gives up although the record names it", () => {
    const driven = HandDrivenTaker.at("committed");
    driven.step(owner(B, 41, "handed-over"));
    expect(driven.hear("abort")).toEqual(["taker recover PARL_OVERLOADED"]);
  });

  it.each([
    ["another member", owner(C, 41, "recovered")],
    ["this process in an earlier life", owner({ ...B, incarnation: 1 }, 41, "handed-over")],
    ["this process, which recovered it", owner(B, 41, "recovered")],
    ["the giver, in a new lease store", owner(A, 90, "fresh")],
  ])("leaves when the shard belongs to %s", (_, seen) => {
    expect(HandDrivenTaker.at("committed").step(seen)).toEqual([
      "abort → a",
      "unsubscribe 7",
      "taker aborted PARL_NOT_OWNER",
    ]);
  });

  it("does not mind an old record", () => {
    expect(HandDrivenTaker.at("committed").step(owner(C, EPOCH, "fresh"))).toEqual([]);
  });
});

describe("a taker without a lease", () => {
  it("keeps everything until the lease is valid again, parks on, then answers", () => {
    const driven = HandDrivenTaker.at("committed");
    driven.park("r1");
    driven.step({ kind: "fenced" });
    expect(driven.end()).toEqual(["final-ack → a"]);
    driven.park("r2");
    expect(driven.end()).toEqual([]);
    expect(driven.hear("abort")).toEqual([]);
    expect(driven.step({ kind: "peer-gone" })).toEqual([]);
    expect(driven.step({ kind: "tick" }, 5_000 * MS)).toEqual([]);
    expect(driven.step({ kind: "unfenced" })).toEqual([
      "adopt 7 epoch 41",
      "replay r1",
      "replay r2",
      "taker adopted confirmed",
    ]);
  });

  it.each(["receiving", "subscribing", "committed"] as const)("%s: drops everything when lost", (state) => {
    const driven = HandDrivenTaker.at(state);
    driven.step({ kind: "fenced" });
    const left = state === "receiving" ? [] : ["unsubscribe 7"];
    expect(driven.step({ kind: "lost" })).toEqual([...left, "taker lost"]);
    expect([driven.staged.isDiscarded, driven.step({ kind: "unfenced" })]).toEqual([true, []]);
  });

  it("drops what it had whole, too", () => {
    const driven = HandDrivenTaker.at("committed");
    driven.step({ kind: "fenced" });
    driven.end();
    expect(driven.step({ kind: "lost" })).toEqual(["unsubscribe 7", "taker lost"]);
    expect(driven.staged.isDiscarded).toBe(true);
  });
});
