import { describe, expect, it } from "vitest";
import { decodeFinal } from "../../../actors/handoff/final-state.ts";
import { Giver } from "../../../actors/handoff/giver.ts";
import { decodeEpoch, encodeError } from "../../../actors/handoff/messages.ts";
import type { GiverEvent, OwnerRecord } from "../../../actors/handoff/transfer.ts";
import { ParlError } from "../../../core/errors.ts";
import { micros } from "../../../core/units.ts";
import { ModelShard } from "./model-shard.ts";
import {
  A,
  B,
  C,
  CLOSING,
  messageFrom,
  RecordingOutbox,
  SHARD,
  shardMessage,
  TRANSFER,
} from "./recording-outbox.ts";

const EPOCH = 40;
const MS = 1_000;
/** What leaves once everything stands still, and what when it belongs to the taker. */
const LAST = ["cas owner.7 40 → b", "final 0/1 → b"];
const MOVED = ["moved → b", "release 7"];
const TOO_LARGE = { ...CLOSING, loans: new Uint8Array(17 * 2 ** 20) };

class HandDrivenGiver {
  readonly outbox = new RecordingOutbox();
  readonly table: ModelShard;
  readonly giver: Giver;
  closing = CLOSING;
  nowUs = 1_000_000;

  constructor(keys = 0, pageBytes = 8) {
    this.table = new ModelShard(new Map(Array.from({ length: keys }, (_, i) => [`key-${i}`, i])));
    const ids = { self: A, taker: B, shard: SHARD, transfer: TRANSFER, epoch: EPOCH };
    // One key a page unless said otherwise, three messages in the park.
    const facts = { ...ids, table: this.table, closing: () => this.closing, pageBytes, parkedWeightMax: 3 };
    this.giver = new Giver(facts, micros(this.nowUs), this.outbox);
  }

  offer(replyTo: string): string {
    return this.giver.offer(shardMessage(replyTo), 1);
  }

  step(event: GiverEvent, afterUs = 0): string[] {
    this.nowUs += afterUs;
    this.giver.step(event, micros(this.nowUs), this.outbox);
    return this.outbox.take();
  }

  hear(kind: "ack" | "ready" | "final-ack" | "abort", number = 0): string[] {
    const payload = kind === "abort" ? encodeError(new ParlError("PARL_INTERNAL", "no")) : new Uint8Array(0);
    return this.step({ kind: "message", message: messageFrom(B, kind, { number, payload }) });
  }

  /** Up to a state, for a shard without keys. */
  static at(state: "subscribing" | "settling" | "freezing" | "moving" | "closing"): HandDrivenGiver {
    const driven = new HandDrivenGiver();
    const way: [string, () => void][] = [
      ["subscribing", () => driven.hear("ready")],
      ["settling", () => driven.step({ kind: "tick" }, 10 * MS)],
      ["freezing", () => driven.step({ kind: "frozen" })],
      ["moving", () => driven.step({ kind: "cas-answer", answer: { outcome: "ok", epoch: 41 } })],
    ];
    for (const [name, step] of way) {
      if (name === state) break;
      step();
    }
    driven.outbox.take();
    return driven;
  }

  /** At the end of a long freeze: more became dirty than fits a page. */
  static draining(): HandDrivenGiver {
    const driven = HandDrivenGiver.at("freezing");
    for (let i = 0; i < 3; i += 1) driven.table.charge(`key-${i}`);
    driven.outbox.take();
    return driven;
  }
}

function owner(id: typeof A, epoch: number, how: OwnerRecord["how"]): GiverEvent {
  return { kind: "owner-seen", owner: { ...id, epoch, how } };
}

describe("a giver", () => {
  it("hands over: pages, SUBSCRIBE, freeze, CAS and FINAL, MOVED", () => {
    const driven = new HandDrivenGiver(6);
    expect(driven.outbox.take()).toEqual(["page 0 → b", "page 1 → b", "page 2 → b", "page 3 → b"]);
    expect(driven.hear("ack", 1)).toEqual(["page 4 → b"]);
    driven.table.charge("key-0");
    expect(driven.hear("ack", 5)).toEqual(["page 5 → b"]);
    // The key that was charged after its page: a round of its own.
    expect(driven.hear("ack", 6)).toEqual(["page 6 → b"]);
    expect(driven.hear("ack", 7)).toEqual(["subscribe → b"]);
    expect(driven.hear("ready")).toEqual([]);
    expect(driven.step({ kind: "tick" }, 10 * MS - 1)).toEqual([]);
    expect(driven.step({ kind: "tick" }, 1)).toEqual(["freeze 7"]);
    // Clients wait: the CAS first, and FINAL with it.
    expect(driven.step({ kind: "frozen" }, 100)).toEqual(LAST);
    expect(decodeFinal(driven.outbox.lastSent.payload)).toMatchObject({ nowUs: 5_000, pages: 7 });
    const moved = driven.step({ kind: "cas-answer", answer: { outcome: "ok", epoch: 44 } }, 300);
    expect(moved).toEqual(MOVED);
    expect(decodeEpoch(driven.outbox.lastSent.payload)).toBe(44);
    driven.nowUs += 500;
    expect(driven.hear("final-ack")).toEqual(["giver moved confirmed"]);
    expect(driven.outbox.ends[0]).toMatchObject({
      epoch: 44,
      pages: 7,
      rounds: 1,
      frozenUs: 400,
      undecidedUs: 900,
      isLongFreeze: false,
    });
    expect(driven.giver.isEnded).toBe(true);
  });

  it("sends what was charged while it walked before it freezes, however little that is", () => {
    const driven = new HandDrivenGiver(1, 1_024);
    expect(driven.outbox.take()).toEqual(["page 0 → b"]);
    driven.table.charge("key-0");
    expect(driven.hear("ack", 1)).toEqual(["page 1 → b"]);
    expect(driven.hear("ack", 2)).toEqual(["subscribe → b"]);
    driven.table.charge("key-0");
    expect(driven.hear("ready")).toEqual([]);
    expect(driven.step({ kind: "tick" }, 10 * MS)).toEqual(["freeze 7"]);
    expect(driven.step({ kind: "frozen" })).toEqual(LAST);
  });

  it("lists what it decides from SUBSCRIBE to freeze, and decides nothing after", () => {
    const driven = new HandDrivenGiver(1);
    expect(driven.offer("before")).toBe("decide");
    driven.hear("ack", 1);
    expect([driven.offer("r1"), driven.offer("")]).toEqual(["decide", "decide"]);
    driven.hear("ready");
    for (const replyTo of ["r2", "", "r2"]) expect(driven.offer(replyTo)).toBe("decide");
    driven.step({ kind: "tick" }, 10 * MS);
    expect(driven.offer("late")).toBe("parked");
    driven.step({ kind: "frozen" });
    expect(decodeFinal(driven.outbox.lastSent.payload).answered).toEqual(["r1", "r2", "r2"]);
    expect(driven.offer("later")).toBe("parked");
    expect(driven.step({ kind: "cas-answer", answer: { outcome: "ok", epoch: 41 } })).toEqual(MOVED);
    expect(driven.offer("last")).toBe("ignore");
    expect(driven.hear("final-ack")).toEqual(["giver moved confirmed"]);
  });

  it.each(["freezing", "draining"] as const)("decides after an abort what came while it was %s", (state) => {
    const driven = state === "draining" ? HandDrivenGiver.draining() : HandDrivenGiver.at(state);
    if (state === "draining") driven.step({ kind: "frozen" });
    for (const replyTo of ["r1", "r2", "", "r3"]) expect(driven.offer(replyTo)).toBe("parked");
    expect(driven.hear("abort").slice(1)).toEqual([
      "unfreeze 7",
      "giver aborted PARL_INTERNAL",
      "replay r1",
      "replay r2",
      "replay parl.shard.7.check.acme.alice",
      "refuse r3 PARL_OVERLOADED",
    ]);
    expect(driven.hear("abort")).toEqual([]);
  });

  it("drops what came while it was frozen when its lease is over", () => {
    const driven = HandDrivenGiver.at("freezing");
    driven.offer("r1");
    expect(driven.step({ kind: "fenced" }).slice(1)).toEqual([
      "unfreeze 7",
      "giver aborted PARL_UNAVAILABLE",
    ]);
  });

  it("gives up rather than forget what it accepted", () => {
    const driven = HandDrivenGiver.at("settling");
    for (let i = 0; i <= 32_768; i += 1) driven.offer(`r${i}`);
    expect(driven.step({ kind: "tick" }, 20 * MS)).toEqual(["abort → b", "giver aborted PARL_OVERLOADED"]);
  });

  it("freezes after eight rounds although keys are charged faster than pages travel, and says so", () => {
    const driven = new HandDrivenGiver(1);
    driven.outbox.take();
    let acked = 1;
    let lines = driven.hear("ack", 1);
    expect(lines).toEqual(["subscribe → b"]);
    driven.hear("ready");
    for (let step = 0; step < 100 && !lines.includes("freeze 7"); step += 1) {
      for (let i = 0; i < 4; i += 1) driven.table.charge(`key-${i}`);
      lines = driven.step({ kind: "tick" }, MS);
      const pages = driven.outbox.sent.filter(({ message }) => message.kind === "page").length;
      if (pages > acked) lines = driven.hear("ack", (acked = pages));
    }
    expect(lines).toEqual(["freeze 7"]);
    const drained = driven.step({ kind: "frozen" });
    expect(drained.filter((line) => line.startsWith("page")).length).toBeGreaterThan(1);
    const pages = driven.outbox.sent.filter(({ message }) => message.kind === "page").length;
    expect(driven.hear("ack", pages)).toEqual(LAST);
    driven.step({ kind: "cas-answer", answer: { outcome: "ok", epoch: 41 } });
    driven.hear("final-ack");
    expect(driven.outbox.ends[0]).toMatchObject({ isLongFreeze: true, isConfirmed: true });
  });

  it("sends the end again until it is acknowledged, and stops when that is hopeless", () => {
    const driven = HandDrivenGiver.at("closing");
    expect(driven.step({ kind: "tick" }, 249 * MS)).toEqual([]);
    expect(driven.step({ kind: "tick" }, MS)).toEqual(["final 0/1 → b", "moved → b"]);
    expect(driven.step({ kind: "tick" }, 9_750 * MS)).toEqual(["giver moved"]);
  });
});

describe("a giver in doubt", () => {
  const ABORTED = ["abort → b", "giver aborted PARL_UNAVAILABLE"];
  const reasons: [string, GiverEvent, number, string[]][] = [
    ["nothing is heard of the taker for two seconds", { kind: "tick" }, 2_000 * MS, ABORTED],
    ["the taker is declared dead", { kind: "peer-gone" }, 0, ABORTED],
    ["its lease runs out", { kind: "fenced" }, 0, ABORTED],
    ["the taker asks anew", { kind: "replaced" }, 0, ABORTED],
    ["the lease store was made anew", owner(A, 60, "fresh"), 0, ABORTED],
    ["a new lease store names nobody yet", owner({ id: "", incarnation: 0 }, 60, "recovered"), 0, ABORTED],
    [
      "a message cannot be read",
      { kind: "bad-message", error: new ParlError("PARL_MALFORMED", "is wrong") },
      0,
      ["abort → b", "giver aborted PARL_MALFORMED"],
    ],
    [
      "more is acknowledged than was sent",
      { kind: "message", message: messageFrom(B, "ack", { number: 9 }) },
      0,
      ["abort → b", "giver aborted PARL_MALFORMED"],
    ],
    [
      "the taker gives up",
      {
        kind: "message",
        message: messageFrom(B, "abort", { payload: encodeError(new ParlError("PARL_INTERNAL", "no")) }),
      },
      0,
      ["abort → b", "giver aborted PARL_INTERNAL"],
    ],
    [
      "the taker gives up in words that make no sense",
      { kind: "message", message: messageFrom(B, "abort") },
      0,
      ["abort → b", "giver aborted PARL_MALFORMED"],
    ],
  ];

  it.each(reasons)("goes on as the owner when %s", (_, event, afterUs, lines) => {
    for (const state of ["subscribing", "settling"] as const) {
      // After the settling time it would freeze instead.
      if (state === "settling" && afterUs > 0) continue;
      const driven = HandDrivenGiver.at(state);
      expect(driven.step(event, afterUs), state).toEqual(lines);
      expect(driven.giver.isEnded).toBe(true);
      // What could not be read was counted by whoever read it.
      const isWrong = event.kind === "message" && lines.at(-1) === "giver aborted PARL_MALFORMED";
      expect(driven.outbox.refusals).toHaveLength(isWrong ? 1 : 0);
      expect(driven.step({ kind: "tick" }, 60_000 * MS)).toEqual([]);
    }
  });

  it.each(reasons)("thaws when %s", (_, event, afterUs, [abort, ended]) => {
    const freezing = HandDrivenGiver.at("freezing");
    expect(freezing.step(event, afterUs)).toEqual([abort, "unfreeze 7", ended]);
    // The host froze nevertheless, before it read the wish to thaw.
    expect(freezing.step({ kind: "frozen" })).toEqual([]);
    const draining = HandDrivenGiver.draining();
    draining.step({ kind: "frozen" });
    expect(draining.step(event, afterUs)).toEqual([abort, "unfreeze 7", ended]);
  });

  it("is less patient while clients wait", () => {
    const driven = HandDrivenGiver.draining();
    driven.step({ kind: "frozen" });
    expect(driven.step({ kind: "tick" }, 499 * MS)).toEqual([]);
    expect(driven.step({ kind: "tick" }, MS)).toEqual([
      "abort → b",
      "unfreeze 7",
      "giver aborted PARL_UNAVAILABLE",
    ]);
  });

  it("does not freeze for a taker it is only told is ready too soon, or twice", () => {
    const driven = new HandDrivenGiver(1);
    driven.outbox.take();
    driven.hear("ready");
    expect(driven.step({ kind: "tick" }, 20 * MS)).toEqual([]);
    driven.hear("ack", 1);
    driven.hear("ready");
    driven.nowUs += 9 * MS;
    driven.hear("ready");
    expect(driven.step({ kind: "tick" }, MS)).toEqual(["freeze 7"]);
  });
});

describe("a giver whose CAS is out", () => {
  const unknown: GiverEvent = { kind: "cas-answer", answer: { outcome: "unknown" } };
  const conflict: GiverEvent = { kind: "cas-answer", answer: { outcome: "conflict" } };

  it("stays frozen, whatever it hears", () => {
    const driven = HandDrivenGiver.at("moving");
    for (const event of [{ kind: "peer-gone" }, { kind: "fenced" }, { kind: "replaced" }] as const) {
      expect(driven.step(event)).toEqual([]);
    }
    expect(driven.hear("abort")).toEqual([]);
    expect(driven.step({ kind: "tick" }, 60_000 * MS)).toEqual([]);
    // MOVED goes out once, should the taker live after all; nobody will acknowledge it.
    expect(driven.step({ kind: "cas-answer", answer: { outcome: "ok", epoch: 41 } })).toEqual([
      ...MOVED,
      "giver moved",
    ]);
  });

  it("hears that the taker decides before it hears of its own write, whichever way that comes", () => {
    const answer: GiverEvent = { kind: "cas-answer", answer: { outcome: "ok", epoch: 41 } };
    for (const event of [answer, owner(B, 41, "handed-over")]) {
      const driven = HandDrivenGiver.at("moving");
      driven.nowUs += 700;
      expect(driven.hear("final-ack")).toEqual([]);
      expect(driven.step(event, 300)).toEqual([...MOVED, "giver moved confirmed"]);
      expect(driven.outbox.ends[0]).toMatchObject({ epoch: 41, frozenUs: 1_000, undecidedUs: 700 });
    }
  });

  it("tries again while the answer is unknown", () => {
    const driven = HandDrivenGiver.at("moving");
    expect(driven.step(unknown)).toEqual([]);
    expect(driven.step({ kind: "tick" }, 49 * MS)).toEqual([]);
    expect(driven.step({ kind: "tick" }, MS)).toEqual(["cas owner.7 40 → b"]);
    expect(driven.step({ kind: "tick" }, 60_000 * MS)).toEqual([]);
    expect(driven.step({ kind: "cas-answer", answer: { outcome: "ok", epoch: 41 } })).toEqual(MOVED);
  });

  it("recognises its own write after a conflict, or before any answer", () => {
    const late = HandDrivenGiver.at("moving");
    late.step(unknown);
    late.step({ kind: "tick" }, 50 * MS);
    expect(late.step(conflict)).toEqual([]);
    expect(late.step(unknown)).toEqual([]);
    expect(late.step({ kind: "tick" }, 50 * MS)).toEqual([]);
    expect(late.step(owner(A, EPOCH, "fresh"))).toEqual([]);
    expect(late.step(owner(B, 43, "handed-over"))).toEqual(MOVED);
    expect(decodeEpoch(late.outbox.lastSent.payload)).toBe(43);
    const early = HandDrivenGiver.at("moving");
    expect(early.step(owner(B, 41, "handed-over"))).toEqual(MOVED);
    expect(early.step({ kind: "cas-answer", answer: { outcome: "ok", epoch: 41 } })).toEqual([]);
  });

  it.each([
    ["another member", owner(C, 41, "recovered")],
    ["nobody, in a new lease store", owner({ id: "", incarnation: 0 }, 60, "recovered")],
    ["the taker, which recovered the shard", owner(B, 41, "recovered")],
    ["the taker in an earlier life", owner({ ...B, incarnation: 1 }, 41, "handed-over")],
  ])("stays frozen for good when the shard belongs to %s", (_, seen) => {
    const driven = HandDrivenGiver.at("moving");
    driven.step(conflict);
    driven.offer("r1");
    expect(driven.step(seen)).toEqual(["abort → b", "giver superseded PARL_NOT_OWNER"]);
  });

  it("thaws when a new lease store names it again: nothing of its write is left", () => {
    const driven = HandDrivenGiver.at("moving");
    driven.step(unknown);
    driven.offer("r1");
    expect(driven.step(owner(A, 90, "fresh"))).toEqual([
      "abort → b",
      "unfreeze 7",
      "giver aborted PARL_UNAVAILABLE",
      "replay r1",
    ]);
  });

  it("is done, unconfirmed, when the taker is gone or gave up after it", () => {
    expect(HandDrivenGiver.at("closing").step({ kind: "peer-gone" })).toEqual(["giver moved"]);
    expect(HandDrivenGiver.at("closing").step({ kind: "lost" })).toEqual(["giver moved"]);
    expect(HandDrivenGiver.at("closing").hear("abort")).toEqual(["giver moved PARL_INTERNAL"]);
  });

  it("has lost everything when it is declared dead before", () => {
    expect(HandDrivenGiver.at("moving").step({ kind: "lost" })).toEqual(["giver lost"]);
    expect(HandDrivenGiver.at("settling").step({ kind: "lost" })).toEqual(["giver lost"]);
  });

  it("does not freeze a shard whose end is too large to be sent", () => {
    const driven = HandDrivenGiver.at("subscribing");
    driven.closing = TOO_LARGE;
    expect(driven.hear("ready")).toEqual(["abort → b", "giver aborted PARL_TOO_LARGE"]);
  });

  it("goes back to serving when its end has become too large meanwhile, before it asks for the CAS", () => {
    const driven = HandDrivenGiver.at("freezing");
    driven.closing = TOO_LARGE;
    expect(driven.step({ kind: "frozen" })).toEqual([
      "abort → b",
      "unfreeze 7",
      "giver aborted PARL_TOO_LARGE",
    ]);
  });
});
