import { describe, expect, it } from "vitest";
import { Balances } from "../../admission/balances.ts";
import type { GrantRow } from "../../admission/loan-messages.ts";
import { PendingCharges } from "../../admission/pending-charges.ts";
import { compilePolicies } from "../../admission/policy-set.ts";
import { WaitingChecks } from "../../admission/waiting-checks.ts";
import { micros, US_PER_S } from "../../core/units.ts";

const HOLDER = { member: "a", incarnation: 1 };
const LOCAL = { shard: 1, policyIndex: 0, high: 1, low: 1 };
const [ORG, EVERYBODY] = [
  { shard: 5, policyIndex: 1, high: 2, low: 2 },
  { shard: 6, policyIndex: 2, high: 3, low: 3 },
];
const POLICIES = compilePolicies({
  plans: new Map(),
  policies: (["user", "org", "global"] as const).map((dimension) => ({
    name: dimension,
    dimension,
    match: {},
    onFailure: "deny",
    algorithm: "gcra",
    limit: 1_000,
    windowUs: micros(US_PER_S),
  })),
});

class Desk {
  nowUs = 1_000_000;
  readonly balances = new Balances({ holder: HOLDER, policies: POLICIES, numbersFrom: 0 });
  readonly pending = new PendingCharges();
  readonly decided: string[] = [];
  failing = "";
  readonly waiting: WaitingChecks<string>;

  constructor(limits: { waitingMax?: number; waitingPerKeyMax?: number } = {}) {
    const { balances, pending } = this;
    const decide = (ticket: string, end: string): void => {
      expect(this.reserved(ORG) + this.reserved(EVERYBODY) + this.pendingUnits).toBe(
        this.expected.shift() ?? 0,
      );
      if (ticket === this.failing) throw new Error("the decision failed");
      this.decided.push(`${ticket} ${end}`);
    };
    this.waiting = new WaitingChecks({ balances, pending, decide, ...limits });
  }

  /** Units set aside while each decision is made: those of the checks that go on waiting. */
  readonly expected: number[] = [];

  get now() {
    return micros(this.nowUs);
  }

  get pendingUnits(): number {
    return this.pending.pendingOf(0, LOCAL.high, LOCAL.low);
  }

  reserved({ policyIndex, high, low }: typeof ORG): number {
    const balance = this.balances.find(policyIndex, high, low);
    return balance === undefined ? 0 : balance.held + balance.queued;
  }

  wait(ticket: string, cost = 1, remotes = [ORG, EVERYBODY], shard = 0): boolean {
    return this.waiting.wait({ ticket, shard, cost, locals: [LOCAL], remotes }, this.now);
  }

  /** Sends what there is to send, and answers what was asked of one key. */
  answer(policyIndex: number, wish: Partial<GrantRow>): void {
    for (const { shard, holder, rows } of this.balances.takeMessages(this.now)) {
      for (const { policy, high, low, id } of rows) {
        if (policy !== POLICIES.policies[policyIndex]?.name) continue;
        const row: GrantRow = {
          policy,
          high,
          low,
          id,
          session: { epoch: 1, birth: 1 },
          status: "granted",
          granted: 0,
          limit: 9,
          remaining: 0,
          deniedCost: 0,
          retryAfterUs: 0,
          resetAfterUs: 0,
          delayUs: 0,
          validUs: Infinity,
          beside: 0,
          ...wish,
        };
        this.balances.answer({ shard, holder, rows: [row] }, this.now);
      }
    }
    this.waiting.step(this.now);
  }
}

describe("waiting checks", () => {
  it("are decided when every home has granted, with nothing set aside any more", () => {
    const desk = new Desk();
    desk.wait("one", 3);
    expect([desk.reserved(ORG), desk.reserved(EVERYBODY), desk.pendingUnits]).toEqual([3, 3, 3]);
    desk.answer(1, { granted: 10 });
    expect(desk.decided).toEqual([]);
    desk.nowUs += 60_000;
    desk.balances.tick(desk.now);
    desk.answer(2, { granted: 10 });
    expect(desk.decided).toEqual(["one answered"]);
    expect([desk.reserved(ORG), desk.reserved(EVERYBODY), desk.pending.keys]).toEqual([0, 0, 0]);
  });

  it("are decided at the first refusal, whatever the other homes say", () => {
    const desk = new Desk();
    desk.wait("one");
    desk.answer(2, { status: "refused", deniedCost: 1, retryAfterUs: 30_000 });
    expect(desk.decided).toEqual(["one answered"]);
    desk.answer(1, { granted: 10 });
    expect([desk.decided.length, desk.reserved(ORG)]).toEqual([1, 0]);
  });

  it("end at their deadline, and not before", () => {
    const desk = new Desk();
    desk.wait("one");
    desk.nowUs += 100_000;
    desk.wait("two", 4);
    desk.nowUs += 149_999;
    desk.waiting.step(desk.now);
    expect(desk.decided).toEqual([]);
    desk.nowUs += 1;
    desk.expected.push(12);
    desk.waiting.step(desk.now);
    expect(desk.decided).toEqual(["one deadline"]);
    desk.nowUs += 100_000;
    desk.waiting.step(desk.now);
    expect(desk.decided).toEqual(["one deadline", "two deadline"]);
    expect([desk.waiting.size, desk.pending.keys]).toEqual([0, 0]);
  });

  it("leave what they do not use to the next in the queue, in the same step", () => {
    const desk = new Desk();
    for (const ticket of ["one", "two", "three"]) desk.wait(ticket, 5, [ORG]);
    desk.expected.push(20, 10, 0);
    desk.answer(1, { granted: 5 });
    expect(desk.decided).toEqual(["one answered", "two answered", "three answered"]);
  });

  it("are so many and no more, in all and for each key", () => {
    const desk = new Desk({ waitingMax: 3, waitingPerKeyMax: 2 });
    expect([desk.wait("one", 1, [ORG]), desk.wait("two", 1, [ORG]), desk.wait("three", 1, [ORG])]).toEqual([
      true,
      true,
      false,
    ]);
    expect([desk.reserved(ORG), desk.pendingUnits]).toEqual([2, 2]);
    expect(desk.wait("three", 1, [EVERYBODY, ORG])).toBe(false);
    expect([desk.reserved(EVERYBODY), desk.waiting.size]).toEqual([0, 2]);
    expect([desk.wait("three", 1, [EVERYBODY]), desk.wait("four", 1, [EVERYBODY])]).toEqual([true, false]);
  });

  it("are let go of with their shard, or all of them, with nothing left behind", () => {
    const desk = new Desk();
    desk.wait("one", 1, [ORG], 7);
    desk.wait("two", 1, [ORG, EVERYBODY], 8);
    desk.wait("three", 1, [ORG], 7);
    expect(desk.waiting.drain(7)).toEqual(["one", "three"]);
    expect([desk.reserved(ORG), desk.reserved(EVERYBODY), desk.pendingUnits]).toEqual([1, 1, 1]);
    expect(desk.waiting.drain()).toEqual(["two"]);
    expect([desk.reserved(ORG), desk.reserved(EVERYBODY), desk.pending.keys]).toEqual([0, 0, 0]);
    desk.answer(1, { granted: 10 });
    expect(desk.decided).toEqual([]);
  });

  it("lose nothing to a decision that fails, and the others are decided", () => {
    const desk = new Desk();
    for (const ticket of ["one", "two", "three"]) desk.wait(ticket, 2, [ORG]);
    desk.failing = "two";
    desk.expected.push(8, 4);
    expect(() => desk.answer(1, { granted: 6 })).toThrow("the decision failed");
    expect(desk.decided).toEqual(["one answered", "three answered"]);
    expect([desk.waiting.size, desk.reserved(ORG), desk.pending.keys]).toEqual([0, 0, 0]);
  });
});
