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

const DEADLINE_US = 250_000;
const PROBE_US = 500_000;

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

  wait(ticket: string, cost = 1, remotes = [ORG, EVERYBODY], shard = 0): string {
    return this.waiting.wait({ ticket, shard, cost, locals: [LOCAL], remotes }, this.now);
  }

  /** A word from a home that answers nothing that was asked. */
  hear(shard: number, holder = HOLDER): void {
    this.balances.answer({ shard, holder, rows: [] }, this.now);
  }

  /** Lets a check wait for a home until its deadline. */
  waitInVain(remotes = [ORG]): void {
    expect(this.wait("vain", 1, remotes)).toBe("waiting");
    this.nowUs += DEADLINE_US;
    this.waiting.step(this.now);
    expect(this.decided.pop()).toBe("vain deadline");
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
          deniedUnits: 0,
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
    desk.answer(2, { status: "refused", deniedUnits: 1, retryAfterUs: 30_000 });
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
      "waiting",
      "waiting",
      "crowded",
    ]);
    expect([desk.reserved(ORG), desk.pendingUnits]).toEqual([2, 2]);
    expect(desk.wait("three", 1, [EVERYBODY, ORG])).toBe("crowded");
    expect([desk.reserved(EVERYBODY), desk.waiting.size]).toEqual([0, 2]);
    expect([desk.wait("three", 1, [EVERYBODY]), desk.wait("four", 1, [EVERYBODY])]).toEqual([
      "waiting",
      "crowded",
    ]);
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

describe("a home that has let a check wait in vain", () => {
  it("is waited for by one check in 500 ms and no other, until it answers", () => {
    const desk = new Desk();
    desk.waitInVain();
    const startUs = desk.nowUs;
    const waited: number[] = [];
    for (; desk.nowUs < startUs + 4 * PROBE_US; desk.nowUs += 1_000) {
      if (desk.wait("probe", 1, [ORG]) === "waiting") waited.push(desk.nowUs - startUs);
      desk.waiting.step(desk.now);
    }
    expect(waited).toEqual([PROBE_US, 2 * PROBE_US, 3 * PROBE_US]);
    desk.hear(ORG.shard);
    expect([desk.wait("one", 1, [ORG]), desk.wait("two", 1, [ORG])]).toEqual(["waiting", "waiting"]);
  });

  it("is found out by whatever it answers, also when nobody waits for that any more", () => {
    const desk = new Desk();
    desk.waitInVain();
    expect(desk.wait("one", 1, [ORG])).toBe("silent");
    desk.hear(ORG.shard, { ...HOLDER, incarnation: 2 });
    expect(desk.wait("one", 1, [ORG])).toBe("silent");
    desk.hear(EVERYBODY.shard);
    expect(desk.wait("one", 1, [ORG])).toBe("silent");
    desk.hear(ORG.shard);
    expect(desk.wait("one", 1, [ORG])).toBe("waiting");
  });

  it("makes nobody wait who needs another as well, and nobody not wait who needs another alone", () => {
    const desk = new Desk();
    desk.waitInVain();
    expect(desk.wait("one", 1, [EVERYBODY, ORG])).toBe("silent");
    expect([desk.reserved(EVERYBODY), desk.reserved(ORG), desk.pendingUnits]).toEqual([0, 0, 0]);
    expect(desk.wait("one", 1, [EVERYBODY])).toBe("waiting");
  });

  it("is no hindrance to a check whose units are here", () => {
    const desk = new Desk();
    desk.wait("one", 1, [ORG]);
    desk.answer(1, { granted: 10 });
    desk.nowUs += 60_000;
    expect(desk.wait("all", 11, [ORG])).toBe("waiting");
    desk.nowUs += DEADLINE_US;
    desk.waiting.step(desk.now);
    expect(desk.decided).toEqual(["one answered", "all deadline"]);
    expect(desk.wait("two", 11, [ORG, EVERYBODY])).toBe("silent");
    expect(desk.wait("three", 10, [ORG, EVERYBODY])).toBe("waiting");
    // What is set aside for that one is not here for others, nor is anything once its lease is over.
    expect(desk.wait("four", 1, [ORG, EVERYBODY])).toBe("silent");
    expect(desk.waiting.drain()).toEqual(["three"]);
    desk.nowUs += 1_500_000 - 60_000 - DEADLINE_US;
    expect(desk.wait("five", 1, [ORG])).toBe("waiting");
    expect(desk.wait("six", 1, [ORG])).toBe("silent");
  });

  it("is not taken for silent while it answers others, nor for what came before", () => {
    const desk = new Desk();
    desk.wait("one", 1, [ORG]);
    desk.nowUs += 1;
    desk.hear(ORG.shard);
    desk.nowUs += DEADLINE_US;
    desk.waiting.step(desk.now);
    expect(desk.decided).toEqual(["one deadline"]);
    desk.waitInVain();
    expect(desk.wait("two", 1, [ORG])).toBe("silent");
  });

  it("is not the one whose units were at hand all the time", () => {
    const desk = new Desk();
    desk.wait("one", 1, [ORG]);
    desk.answer(1, { granted: 10 });
    desk.nowUs += 60_000;
    desk.wait("two", 1, [ORG, EVERYBODY]);
    desk.nowUs += DEADLINE_US;
    desk.waiting.step(desk.now);
    expect(desk.decided).toEqual(["one answered", "two deadline"]);
    expect([desk.wait("three", 20, [ORG]), desk.wait("four", 1, [EVERYBODY])]).toEqual(["waiting", "silent"]);
  });

  it("is another home once its shard is here", () => {
    const desk = new Desk();
    desk.waitInVain();
    desk.balances.retire(ORG.shard);
    expect(desk.wait("one", 1, [ORG])).toBe("waiting");
  });

  it("lets no more be decided without it than could have waited for it", () => {
    const desk = new Desk({ waitingMax: 4, waitingPerKeyMax: 3 });
    desk.waitInVain([ORG, EVERYBODY]);
    const waits = (remotes: (typeof ORG)[]): string => desk.wait("one", 1, remotes);
    expect([1, 2, 3, 4].map(() => waits([ORG]))).toEqual(["silent", "silent", "silent", "crowded"]);
    expect([waits([EVERYBODY]), waits([EVERYBODY])]).toEqual(["silent", "crowded"]);
    desk.nowUs += DEADLINE_US - 1;
    expect(waits([ORG])).toBe("crowded");
    desk.nowUs += 1;
    expect(waits([ORG])).toBe("silent");
  });
});
