import { describe, expect, it } from "vitest";
import { CasLedger } from "../../../actors/placement/cas-ledger.ts";
import type { CasAnswer, PlacementOutbox } from "../../../actors/placement/placement-event.ts";

const TTL_US = 2_000_000;
const REST_US = TTL_US / 8;

class LedgerAtHand {
  readonly ledger = new CasLedger(TTL_US);
  readonly ids: number[] = [];

  attempt(atUs: number): boolean {
    const outbox = { cas: (_key, _value, _expected, id) => void this.ids.push(id) } as PlacementOutbox;
    const sent = { monotonicUs: atUs, wallUs: atUs };
    return this.ledger.attempt({ key: "k", value: "v", sent }, 1, outbox);
  }

  answer(outcome: CasAnswer["outcome"], atUs: number, id = this.ids.at(-1) ?? 0): boolean {
    const answer: CasAnswer = { kind: "cas-answer", key: "k", id, outcome, revision: 2 };
    return this.ledger.answered(answer, atUs) !== undefined;
  }
}

describe("CasLedger", () => {
  it("has one in flight a key", () => {
    const hand = new LedgerAtHand();
    expect(hand.attempt(0)).toBe(true);
    expect(hand.attempt(1)).toBe(false);
    expect(hand.ledger.isPending("k")).toBe(true);
    expect(hand.answer("ok", 2)).toBe(true);
    expect(hand.attempt(3)).toBe(true);
  });

  it("takes an answer once, and none to what was settled before", () => {
    const hand = new LedgerAtHand();
    hand.attempt(0);
    expect(hand.answer("unknown", 1)).toBe(true);
    expect(hand.answer("ok", 2)).toBe(false);
    hand.attempt(REST_US + 1);
    expect(hand.answer("ok", REST_US + 2, hand.ids[0])).toBe(false);
    expect(hand.answer("ok", REST_US + 2)).toBe(true);
    expect(hand.answer("ok", REST_US + 3)).toBe(false);
  });

  it.each(["conflict", "unknown"] as const)(
    "lets the key rest after %s, unless there is news of it",
    (how) => {
      const hand = new LedgerAtHand();
      hand.attempt(0);
      hand.answer(how, 10);
      expect(hand.attempt(9 + REST_US)).toBe(false);
      expect(hand.attempt(10 + REST_US)).toBe(true);
      hand.answer(how, 20 + REST_US);
      hand.ledger.news("k");
      expect(hand.attempt(21 + REST_US)).toBe(true);
    },
  );

  it("waits for nothing once cleared", () => {
    const hand = new LedgerAtHand();
    hand.attempt(0);
    hand.ledger.clear();
    expect(hand.answer("ok", 1)).toBe(false);
    expect(hand.attempt(1)).toBe(true);
  });
});
