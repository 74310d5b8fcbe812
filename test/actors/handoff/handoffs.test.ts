import { describe, expect, it } from "vitest";
import { encodeFinal } from "../../../actors/handoff/final-state.ts";
import { Handoffs } from "../../../actors/handoff/handoffs.ts";
import type { Member } from "../../../actors/handoff/member.ts";
import { decodeError, encodeEpoch, encodeError } from "../../../actors/handoff/messages.ts";
import { ParlError } from "../../../core/errors.ts";
import { micros, type Micros } from "../../../core/units.ts";
import { ModelShard, StagedModel } from "./model-shard.ts";
import {
  A,
  B,
  bytesFrom,
  C,
  CLOSING,
  NOTHING,
  RecordingOutbox,
  SHARD,
  shardMessage,
  TRANSFER,
} from "./recording-outbox.ts";

const EPOCH = 40;
const AT_US = micros(1_000_000);

function handoffsOf(self: Member, shardsOwned: readonly number[] = []) {
  const outbox = new RecordingOutbox();
  let drawn = TRANSFER - 1;
  const refused: string[] = [];
  const handoffs = new Handoffs({
    self,
    outbox,
    draw: () => (drawn += 1),
    leaving: (shard) =>
      shardsOwned.includes(shard)
        ? { table: new ModelShard(), epoch: EPOCH, closing: () => CLOSING }
        : undefined,
    staging: () => new StagedModel(),
    refused: ({ code }) => void refused.push(code),
  });
  return { handoffs, outbox, refused };
}

/** A, the owner of some shards, after an ASK by B for one of them. */
function asked(...shardsOwned: number[]) {
  const both = handoffsOf(A, [SHARD, ...shardsOwned]);
  both.handoffs.receive(ask(B), AT_US);
  expect(both.outbox.take()).toEqual(["subscribe → b"]);
  return both;
}

function ask(from: Member, parts: { transfer?: number; shard?: number; epoch?: number } = {}): Uint8Array {
  const { epoch = EPOCH, ...rest } = parts;
  return bytesFrom(from, "ask", { payload: encodeEpoch(epoch), ...rest });
}

function final(answered: string[] = [], transfer = TRANSFER): Uint8Array {
  const payload = encodeFinal({ pages: 0, dirty: [], answered, ...CLOSING });
  return bytesFrom(A, "final", { count: 1, payload, transfer });
}

function moved(epoch: number, transfer = TRANSFER): Uint8Array {
  return bytesFrom(A, "moved", { payload: encodeEpoch(epoch), transfer });
}

/** B asks A for the shard and gets it. */
function move(handoffs: Handoffs, transfer: number, answered: string[], epoch = EPOCH): void {
  handoffs.ask(SHARD, A, epoch, AT_US);
  handoffs.receive(bytesFrom(A, "subscribe", { transfer }), AT_US);
  handoffs.subscribed(transfer, AT_US);
  handoffs.receive(final(answered, transfer), AT_US);
  handoffs.receive(moved(epoch + 1, transfer), AT_US);
}

/** B, having adopted the shard from A. */
function adopted(...answered: string[]) {
  const both = handoffsOf(B);
  move(both.handoffs, TRANSFER, answered);
  expect(both.outbox.take().at(-1)).toBe("taker adopted confirmed");
  return both;
}

/** Ticks of 10 ms. */
function tick(handoffs: Handoffs, fromUs: Micros, us: number): Micros {
  for (let at = 10_000; at <= us; at += 10_000) handoffs.tick(micros(fromUs + at));
  return micros(fromUs + us);
}

describe("asked for a shard", () => {
  it.each([
    ["it does not own", ask(B, { shard: 8 }), "PARL_NOT_OWNER"],
    ["it owns under another epoch", ask(B, { epoch: 39 }), "PARL_NOT_OWNER"],
    ["with no epoch", bytesFrom(B, "ask"), undefined],
  ])("%s, it refuses", (_, bytes, code) => {
    const { handoffs, outbox, refused } = handoffsOf(A, [SHARD]);
    handoffs.receive(bytes, AT_US);
    expect(outbox.take()).toEqual(code === undefined ? [] : ["refuse → b"]);
    if (code !== undefined) expect(decodeError(outbox.lastSent.payload).code).toBe(code);
    expect(refused).toEqual([code ?? "PARL_MALFORMED"]);
    expect(handoffs.isMoving(SHARD)).toBe(false);
  });

  it("by a second taker, it refuses that one, who may ask again", () => {
    const { handoffs, outbox } = asked();
    handoffs.receive(ask(C, { transfer: 100 }), AT_US);
    expect(outbox.take()).toEqual(["refuse → c"]);
    const error = decodeError(outbox.lastSent.payload);
    expect([error.code, error.retryAfterMs]).toEqual(["PARL_OVERLOADED", 500]);
    expect(error.message).toBe("shard 7 is being handed to b; ask again later");
    handoffs.receive(bytesFrom(B, "ready"), AT_US);
    handoffs.tick(micros(AT_US + 10_000));
    expect(outbox.take()).toEqual(["freeze 7"]);
  });

  it("while another one is on its way, it refuses: clients of a frozen shard wait for nobody's pages", () => {
    const { handoffs, outbox } = asked(1);
    handoffs.receive(ask(C, { shard: 1, transfer: 100 }), AT_US);
    expect(outbox.take()).toEqual(["refuse → c"]);
    expect(decodeError(outbox.lastSent.payload).message).toBe(
      "a is handing over another shard; ask again later",
    );
    handoffs.peerGone(B, AT_US);
    outbox.take();
    handoffs.receive(ask(C, { shard: 1, transfer: 101 }), AT_US);
    expect(outbox.take()).toEqual(["subscribe → c"]);
  });

  it("twice in one attempt, it goes on with it", () => {
    const { handoffs, outbox } = asked();
    handoffs.receive(ask(B), AT_US);
    expect(outbox.take()).toEqual([]);
  });

  it("by the same taker anew, even after a restart, it begins anew", () => {
    const { handoffs, outbox } = asked();
    handoffs.receive(ask({ ...B, incarnation: 23 }, { transfer: 100 }), AT_US);
    expect(outbox.take()).toEqual(["abort → b", "giver aborted PARL_UNAVAILABLE", "subscribe → b"]);
  });

  it("by the same taker anew, it goes on if the shard may be that taker's already", () => {
    const { handoffs, outbox } = asked();
    handoffs.receive(bytesFrom(B, "ready"), AT_US);
    handoffs.tick(micros(AT_US + 10_000));
    handoffs.frozen(TRANSFER, AT_US);
    outbox.take();
    handoffs.receive(ask(B, { transfer: 100 }), AT_US);
    expect(outbox.take()).toEqual(["refuse → b"]);
  });

  it("without a lease, it refuses", () => {
    const { handoffs, outbox } = handoffsOf(A, [SHARD]);
    handoffs.fenced(AT_US);
    handoffs.receive(ask(B), AT_US);
    expect(outbox.take()).toEqual(["refuse → b"]);
    handoffs.unfenced(AT_US);
    handoffs.receive(ask(B), AT_US);
    expect(outbox.take()).toEqual(["subscribe → b"]);
  });

  it("while it is paused, it refuses; what is under way goes on", () => {
    const { handoffs, outbox } = asked(8);
    handoffs.pause();
    handoffs.receive(ask(C, { shard: 8 }), AT_US);
    expect([outbox.take(), decodeError(outbox.lastSent.payload).code]).toEqual([
      ["refuse → c"],
      "PARL_OVERLOADED",
    ]);
    expect([handoffs.hasRoomIn, handoffs.ask(9, B, EPOCH, AT_US), handoffs.isIdle]).toEqual([
      false,
      false,
      false,
    ]);
    handoffs.receive(
      bytesFrom(B, "abort", { payload: encodeError(new ParlError("PARL_INTERNAL", "no")) }),
      AT_US,
    );
    expect(handoffs.isIdle).toBe(true);
    handoffs.resume();
    expect([handoffs.hasRoomIn, handoffs.ask(9, B, EPOCH, AT_US)]).toEqual([true, true]);
  });

  it("by a process of another version, it tells it to stop, and counts that once", () => {
    const { handoffs, outbox, refused } = handoffsOf(A, [SHARD]);
    handoffs.receive(ask(B).with(0, 3), AT_US);
    expect(refused).toEqual(["PARL_UNSUPPORTED_VERSION"]);
    expect(outbox.take()).toEqual(["refuse → b"]);
    expect(decodeError(outbox.lastSent.payload).message).toMatch(/speaks version 3, version 2 is understood/);
  });
});

describe("asking for shards", () => {
  it("has one transfer under way", () => {
    const { handoffs } = handoffsOf(B);
    expect([1, 1, 2].map((shard) => handoffs.ask(shard, A, EPOCH, AT_US))).toEqual([true, false, false]);
    expect(handoffs.hasRoomIn).toBe(false);
    handoffs.peerGone(A, AT_US);
    expect([handoffs.hasRoomIn, handoffs.isMoving(1)]).toEqual([true, false]);
  });

  it("gives up the one under way when it withdraws", () => {
    const { handoffs, outbox } = handoffsOf(B);
    handoffs.ask(SHARD, A, EPOCH, AT_US);
    outbox.take();
    handoffs.withdraw(AT_US);
    expect(outbox.take()).toEqual(["abort → a", "taker aborted PARL_UNAVAILABLE"]);
    expect(handoffs.isIdle).toBe(true);
  });

  it("asks nobody without a lease", () => {
    const { handoffs } = handoffsOf(B);
    handoffs.fenced(AT_US);
    expect(handoffs.ask(1, A, EPOCH, AT_US)).toBe(false);
  });

  it("stops at once when the owner answers in another version", () => {
    const { handoffs, outbox } = handoffsOf(B);
    handoffs.ask(SHARD, A, EPOCH, AT_US);
    outbox.take();
    handoffs.receive(bytesFrom(A, "refuse").with(0, 3), AT_US);
    expect(outbox.take()).toEqual(["abort → a", "taker aborted PARL_UNSUPPORTED_VERSION"]);
  });

  it("stops at a page that arrives damaged", () => {
    const { handoffs, outbox, refused } = handoffsOf(B);
    handoffs.ask(SHARD, A, EPOCH, AT_US);
    outbox.take();
    const page = bytesFrom(A, "page", { payload: new TextEncoder().encode("alice=1;") });
    handoffs.receive(page.subarray(0, -1), AT_US);
    expect(outbox.take()).toEqual(["abort → a", "taker aborted PARL_MALFORMED"]);
    expect(refused).toEqual(["PARL_MALFORMED"]);
  });
});

it("has ended a transfer when it tells of its end", () => {
  const { handoffs, outbox } = handoffsOf(B);
  const isMoving: boolean[] = [];
  const ended = outbox.ended.bind(outbox);
  outbox.ended = (end) => {
    isMoving.push(handoffs.isMoving(SHARD));
    ended(end);
  };
  move(handoffs, TRANSFER, []);
  expect([outbox.take().at(-1), isMoving]).toEqual(["taker adopted confirmed", [false]]);
});

describe("a message of a transfer", () => {
  it.each(["page", "subscribe", "final", "moved", "ack", "ready"] as const)(
    "that is not known is told so: %s",
    (kind) => {
      const { handoffs, outbox } = handoffsOf(B);
      handoffs.receive(bytesFrom(A, kind), AT_US);
      expect(outbox.take()).toEqual(["abort → a"]);
      expect(decodeError(outbox.lastSent.payload).code).toBe("PARL_NOT_FOUND");
      expect(outbox.lastSent.transfer).toBe(TRANSFER);
    },
  );

  it.each(["abort", "refuse", "final-ack"] as const)("that is over is left alone: %s", (kind) => {
    const { handoffs, outbox } = handoffsOf(B);
    handoffs.receive(bytesFrom(A, kind), AT_US);
    expect(outbox.take()).toEqual([]);
  });

  it.each([
    ["a stranger", C],
    ["the peer in another life", { ...A, incarnation: 12 }],
  ])("by %s does nothing to it", (_, from) => {
    const { handoffs, outbox } = handoffsOf(B);
    handoffs.ask(SHARD, A, EPOCH, AT_US);
    outbox.take();
    handoffs.receive(bytesFrom(from, "subscribe"), AT_US);
    expect(outbox.take()).toEqual([`abort → ${from.id}`]);
    expect(handoffs.isMoving(SHARD)).toBe(true);
  });

  it("is acknowledged again when it is the end of a shard adopted", () => {
    const { handoffs, outbox } = adopted();
    for (const end of [final(), moved(41)]) {
      handoffs.receive(end, AT_US);
      expect(outbox.take()).toEqual(["final-ack → a"]);
    }
    for (let transfer = TRANSFER + 1; transfer < TRANSFER + 65; transfer += 1) move(handoffs, transfer, []);
    outbox.take();
    handoffs.receive(final(), AT_US);
    expect(outbox.take()).toEqual(["abort → a"]);
  });

  it("that acknowledges what has not been sent yet changes nothing", () => {
    const { handoffs, outbox } = asked();
    handoffs.receive(bytesFrom(B, "ready"), AT_US);
    handoffs.tick(micros(AT_US + 10_000));
    handoffs.receive(bytesFrom(B, "final-ack"), AT_US);
    outbox.take();
    handoffs.frozen(TRANSFER, AT_US);
    handoffs.casAnswered(TRANSFER, { outcome: "ok", epoch: 41 }, AT_US);
    expect(outbox.take()).toEqual(["cas owner.7 40 → b", "final 0/1 → b", "moved → b", "release 7"]);
  });

  it("that answers an earlier attempt's wish changes nothing", () => {
    const { handoffs, outbox } = asked();
    handoffs.receive(bytesFrom(B, "ready"), AT_US);
    handoffs.tick(micros(AT_US + 10_000));
    outbox.take();
    handoffs.frozen(TRANSFER - 1, AT_US);
    handoffs.casAnswered(TRANSFER - 1, { outcome: "ok", epoch: 41 }, AT_US);
    expect(outbox.take()).toEqual([]);
  });
});

describe("a message for a shard", () => {
  it("is the host's when nothing moves", () => {
    expect(handoffsOf(A).handoffs.offer(SHARD, shardMessage("r1"), 1)).toBe("decide");
    expect(asked(8).handoffs.offer(8, shardMessage("r1"), 1)).toBe("decide");
  });

  it("is decided by the giver until it freezes, and parked by the taker, and by both then", () => {
    const giver = asked();
    expect(giver.handoffs.offer(SHARD, shardMessage("r1"), 1)).toBe("decide");
    giver.handoffs.receive(bytesFrom(B, "ready"), AT_US);
    expect(giver.handoffs.offer(SHARD, shardMessage("r2"), 1)).toBe("decide");
    giver.handoffs.tick(micros(AT_US + 10_000));
    expect(giver.handoffs.offer(SHARD, shardMessage("r3"), 1)).toBe("parked");
    const taker = handoffsOf(B);
    taker.handoffs.ask(SHARD, A, EPOCH, AT_US);
    expect(taker.handoffs.offer(SHARD, shardMessage("r1"), 1)).toBe("parked");
  });

  it("is ignored when the giver has answered it, once, for two seconds", () => {
    const { handoffs } = adopted("r1", "r2");
    expect(handoffs.offer(SHARD, shardMessage("r1"), 1)).toBe("ignore");
    expect(handoffs.offer(SHARD, shardMessage("r1"), 1)).toBe("decide");
    handoffs.tick(AT_US);
    const laterUs = tick(handoffs, AT_US, 1_900_000);
    expect(handoffs.offer(8, shardMessage("r2"), 1)).toBe("decide");
    tick(handoffs, laterUs, 200_000);
    expect(handoffs.offer(SHARD, shardMessage("r2"), 1)).toBe("decide");
  });

  it("is ignored also after the process was stopped: it had read nothing meanwhile", () => {
    const { handoffs } = adopted("r1");
    handoffs.tick(AT_US);
    handoffs.tick(micros(AT_US + 3_000_000));
    expect(handoffs.offer(SHARD, shardMessage("r1"), 1)).toBe("ignore");
  });

  it("is ignored also when the shard went to and fro meanwhile", () => {
    const { handoffs } = adopted("r1");
    move(handoffs, TRANSFER + 1, ["r2"], 50);
    for (const replyTo of ["r1", "r2"]) {
      expect(handoffs.offer(SHARD, shardMessage(replyTo), 1)).toBe("ignore");
    }
  });

  it("is the host's when this process has lost everything", () => {
    const { handoffs } = adopted("r1");
    handoffs.lost(AT_US);
    expect(handoffs.offer(SHARD, shardMessage("r1"), 1)).toBe("decide");
  });
});

it("survives anything a peer sends", () => {
  const { handoffs, refused } = asked();
  for (const bytes of [NOTHING, new Uint8Array(36), new Uint8Array(300_000).fill(1)]) {
    handoffs.receive(bytes, AT_US);
  }
  expect(refused.toSorted()).toEqual(["PARL_MALFORMED", "PARL_TOO_LARGE", "PARL_UNSUPPORTED_VERSION"]);
  expect(handoffs.isMoving(SHARD)).toBe(true);
});
