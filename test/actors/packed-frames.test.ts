/** Late answers: what takes the place of an item in a reply that was written before it was decided. */
import { describe, expect, it } from "vitest";
import { Verdict } from "../../core/decision.ts";
import { ParlError } from "../../core/errors.ts";
import { PackedReplyWriter, rewriteDecision, rewriteError } from "../../core/packed-reply.ts";
import { itemsOf } from "./lone-shard-actor.ts";

/** Three items of one policy, the second still to be decided. */
function unfinished(): Uint8Array {
  const writer = new PackedReplyWriter();
  writer.begin(7, 1_700_000_000_000_001, 42);
  const early = writer.text("early");
  writer.decision("allowed", 1, early, 100);
  writer.amounts(99, 0, 5);
  writer.decision("denied", -1, -1, 0);
  writer.amounts(0, 0, 0);
  writer.moved(9);
  writer.text("late");
  return writer.finish();
}

function verdictOf(wish: Partial<Verdict>): Verdict {
  const base = {
    limit: 2 ** 31 - 1,
    remaining: 2 ** 31 - 2,
    retryAfterUs: 0,
    resetAfterUs: 6_000,
    delayUs: 0,
  };
  return Object.assign(new Verdict(), base, wish);
}

const [FIRST, , THIRD] = itemsOf(unfinished());

describe("a late decision", () => {
  it.each([
    [{ outcome: "allowed", delayUs: 250, retryAfterUs: 9 }, 250],
    [{ outcome: "denied", delayUs: 9, retryAfterUs: 777 }, 777],
    [{ outcome: "unsatisfiable", retryAfterUs: Infinity }, Infinity],
  ] as const)("of %j is read as if it had been written in time, and touches no other", (wish, waitUs) => {
    const reply = unfinished();
    rewriteDecision(reply, 1, { verdict: verdictOf(wish), dimension: 3, text: 1 });
    const second = {
      kind: "decision",
      outcome: wish.outcome,
      dimension: "global",
      text: "late",
      limit: 2 ** 31 - 1,
      remaining: 2 ** 31 - 2,
      waitUs,
      resetAfterUs: 6_000,
    };
    expect(itemsOf(reply)).toEqual([FIRST, second, THIRD]);
  });

  it("under no policy names none", () => {
    const reply = unfinished();
    rewriteDecision(reply, 1, { verdict: verdictOf({ limit: 0, remaining: 0 }), dimension: -1, text: -1 });
    expect(itemsOf(reply)[1]).toMatchObject({ outcome: "allowed", dimension: null, text: null });
  });

  it("is put where the bytes are, in the middle of a larger buffer too", () => {
    const reply = unfinished();
    const larger = new Uint8Array(reply.length + 64).fill(0xee);
    larger.set(reply, 32);
    const view = larger.subarray(32, 32 + reply.length);
    rewriteDecision(view, 1, { verdict: verdictOf({ outcome: "denied" }), dimension: 0, text: 1 });
    rewriteError(view, 0, new ParlError("PARL_OVERLOADED", "later"));
    expect(itemsOf(view)[1]).toMatchObject({ outcome: "denied", dimension: "user", text: "late" });
    expect(itemsOf(view)[0]).toMatchObject({ errorCode: "PARL_OVERLOADED" });
    expect([...larger.subarray(0, 32), ...larger.subarray(-32)].every((byte) => byte === 0xee)).toBe(true);
  });

  it("takes the place of what was written before, the first item and the last too", () => {
    const reply = unfinished();
    for (const index of [0, 2])
      rewriteDecision(reply, index, { verdict: verdictOf({ outcome: "denied" }), dimension: 2, text: 0 });
    const decided = { kind: "decision", outcome: "denied", dimension: "org", text: "early" };
    expect(itemsOf(reply)).toMatchObject([decided, { text: null }, decided]);
  });
});

describe("a late error", () => {
  it("is known by its code and its wait, and touches no other item", () => {
    const reply = unfinished();
    rewriteError(reply, 1, new ParlError("PARL_NOT_OWNER", "it moved", { retryAfterMs: 100 }));
    const second = { kind: "error", errorCode: "PARL_NOT_OWNER", text: null, waitUs: 100_000 };
    expect(itemsOf(reply)).toEqual([FIRST, second, THIRD]);
  });

  it("leaves nothing of an answer behind, nor an answer anything of it", () => {
    const reply = unfinished();
    rewriteDecision(reply, 1, { verdict: verdictOf({ outcome: "denied" }), dimension: 3, text: 1 });
    rewriteError(reply, 1, new ParlError("PARL_INTERNAL", "oh"));
    expect(itemsOf(reply)[1]).toEqual({ kind: "error", errorCode: "PARL_INTERNAL", text: null, waitUs: 0 });
    const fresh = unfinished();
    rewriteError(fresh, 1, new ParlError("PARL_INTERNAL", "oh"));
    expect(reply).toEqual(fresh);
  });
});
