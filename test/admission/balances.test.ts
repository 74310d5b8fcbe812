import { describe, expect, it } from "vitest";
import { Balances } from "../../admission/balances.ts";
import type { BorrowRow, GrantRow } from "../../admission/loan-messages.ts";
import { compilePolicies, type PolicySet } from "../../admission/policy-set.ts";
import type { Policy } from "../../admission/policy.ts";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S } from "../../core/units.ts";

const US = { member: "a", incarnation: 1 };
const KEY = { shard: 4, policyIndex: 0, high: 0xdeadbeef, low: 9 };
const SESSION = { epoch: 50, birth: 1 };
const OWNER = {};

function policies(...shared: Partial<Policy>[]): PolicySet {
  return compilePolicies({
    plans: new Map(),
    policies: shared.map((wish) => ({
      ...{ name: "shared", dimension: "org", match: {}, onFailure: "deny", algorithm: "gcra" },
      ...{ limit: 1_000, windowUs: micros(US_PER_S) },
      ...wish,
    })),
  });
}

/** A holder of one key's rights, and what its home answers. */
class Desk {
  readonly balances: Balances;
  readonly verdict = new Verdict();
  nowUs = 5_000_000;
  granted = 0;

  constructor(wish: Partial<Policy> = {}, rowsMax = 10) {
    this.balances = new Balances({ holder: US, policies: policies(wish), numbersFrom: 100, rowsMax });
    this.balances.members = 2;
  }

  get balance() {
    const balance = this.balances.open(KEY, this.now);
    if (balance === undefined) throw new Error("no room");
    return balance;
  }

  get now() {
    return micros(this.nowUs);
  }

  look(cost: number): string {
    const balance = this.balances.find(0, KEY.high, KEY.low);
    return this.balances.look(balance, 0, cost, this.now, this.verdict);
  }

  /** Checks, without waiting: spends when covered. */
  check(cost: number): string {
    const standing = this.look(cost);
    if (standing === "covered") this.balances.spend(this.balance, cost, this.now);
    return standing;
  }

  reserve(cost: number) {
    return this.balances.reserve(this.balance, cost, OWNER, this.now);
  }

  /** The row to be sent now, if any. */
  sent(): BorrowRow | undefined {
    const frames = this.balances.takeMessages(this.now);
    expect(frames.flatMap(({ rows }) => rows).length).toBeLessThanOrEqual(1);
    return frames[0]?.rows[0];
  }

  /** Lets time pass in ticks; the rows sent meanwhile, by when. */
  pass(us: number): [number, BorrowRow][] {
    const sent: [number, BorrowRow][] = [];
    const startUs = this.nowUs;
    while (this.nowUs < startUs + us) {
      this.nowUs = Math.min(startUs + us, this.nowUs + 10_000);
      this.balances.tick(this.now);
      const row = this.sent();
      if (row !== undefined) sent.push([this.nowUs - startUs, row]);
    }
    return sent;
  }

  answer(asked: BorrowRow | undefined, wish: Partial<GrantRow> = {}): void {
    const { policy, high, low, id } = asked as BorrowRow;
    const row: GrantRow = {
      ...{ policy, high, low, id, session: SESSION, status: "granted", granted: this.granted },
      ...{ limit: 1_000, remaining: 300, deniedCost: 0, retryAfterUs: 0, resetAfterUs: 80_000 },
      ...{ delayUs: 0, validUs: Infinity },
      ...wish,
    };
    this.granted = row.granted;
    this.balances.answer({ shard: KEY.shard, holder: US, rows: [row] }, this.now);
  }

  /** Borrows for a check that waits, and spends its cost. */
  borrow(cost: number, granted: number, wish: Partial<GrantRow> = {}): void {
    const reservation = this.reserve(cost);
    this.answer(this.sent(), { granted, ...wish });
    expect(reservation.state).toBe("held");
    expect(this.balances.takeSettled()).toEqual([reservation]);
    this.balances.release(reservation);
    expect(this.check(cost)).toBe("covered");
  }

  /** Sends what there is to say, and has it confirmed. */
  settle(): void {
    const row = this.sent();
    if (row !== undefined) this.answer(row);
  }
}

describe("a balance", () => {
  it("is borrowed when a check waits, and spent without a word", () => {
    const desk = new Desk();
    expect(desk.check(1)).toBe("missing");
    desk.reserve(1);
    const asked = desk.sent();
    expect(asked).toEqual({
      ...{ policy: "shared", high: KEY.high, low: KEY.low, id: 101, session: { epoch: 0, birth: 0 } },
      ...{ spent: 0, returned: 0, owed: 100, owedFrom: 100, least: 1, need: 1, want: 1 },
    });
    desk.answer(asked, { granted: 100 });
    desk.sent();
    for (let i = 0; i < 60; i += 1) expect(desk.check(1)).toBe("covered");
    expect(desk.sent()).toBeUndefined();
    expect(desk.verdict).toMatchObject({
      ...{ outcome: "allowed", limit: 1_000, remaining: 300 + 39, resetAfterUs: 80_000, retryAfterUs: 0 },
    });
  });

  it("asks for what is missing, for the first that waits and for all", () => {
    const desk = new Desk();
    desk.borrow(1, 5);
    desk.settle();
    for (const cost of [3, 7, 2]) desk.reserve(cost);
    expect(desk.sent()).toMatchObject({ session: SESSION, spent: 1, least: 6, need: 8 });
  });

  it("doubles with every grant, asks again at 30 %, and remembers what the home would lend", () => {
    const desk = new Desk();
    const wants: number[] = [];
    desk.borrow(1, 1);
    for (let i = 0; i < 6; i += 1) {
      const row = desk.sent();
      wants.push(row?.want ?? 0);
      expect(row).toMatchObject({ least: 0, need: 0 });
      desk.answer(row, { granted: desk.granted + Math.min(20, row?.want ?? 0) });
      const { left } = desk.balance;
      for (let spent = 0; spent < Math.floor(left * 0.7); spent += 1) {
        expect(desk.sent()).toBeUndefined();
        desk.check(1);
      }
      while (!desk.balance.isLow) desk.check(1);
    }
    expect(wants).toEqual([2, 4, 8, 16, 32, 20]);
  });

  it("in use is reported every 0.5 s", () => {
    const desk = new Desk();
    desk.borrow(1, 400);
    desk.settle();
    const reports: [number, BorrowRow][] = [];
    for (let ms = 0; ms < 2_000; ms += 100) {
      desk.check(1);
      for (const [us, row] of desk.pass(100_000)) {
        reports.push([ms * 1_000 + us, row]);
        desk.answer(row);
      }
    }
    expect(reports.map(([us, { spent, want }]) => [us, spent, want])).toEqual([
      [500_000, 6, 0],
      [1_000_000, 11, 0],
      [1_500_000, 16, 0],
      [2_000_000, 21, 0],
    ]);
  });

  it("is given back when idle for 1 s, and forgotten when there is nothing more to say", () => {
    const desk = new Desk();
    desk.borrow(1, 400);
    desk.settle();
    const [[, report] = []] = desk.pass(500_000);
    expect(report).toMatchObject({ spent: 1, returned: 0, want: 0 });
    desk.answer(report);
    expect(desk.pass(490_000)).toEqual([]);
    const [[, row] = []] = desk.pass(10_000);
    expect(row).toMatchObject({ spent: 1, returned: 399, want: 0 });
    expect(desk.look(1)).toBe("missing");
    desk.answer(row);
    expect(desk.pass(5_000_000)).toEqual([]);
    expect(desk.balances.tally.rows).toBe(0);
  });

  it("of a limit too small to split is given back at once, and its spending reported within 20 ms", () => {
    const desk = new Desk({ limit: 99 });
    desk.reserve(3);
    const asked = desk.sent();
    expect(asked).toMatchObject({ need: 3, want: 3 });
    desk.answer(asked, { granted: 3 });
    for (const reservation of desk.balance.reservations) desk.balances.release(reservation);
    desk.check(1);
    const [[atUs, row] = []] = desk.pass(50_000);
    expect(row).toMatchObject({ spent: 1, returned: 2, want: 0 });
    expect(atUs).toBe(20_000);
  });

  it("is given back when recalled, but for what a check holds", () => {
    const desk = new Desk();
    desk.borrow(1, 400);
    desk.settle();
    desk.reserve(30);
    const recall = {
      shard: KEY.shard,
      holder: US,
      rows: [{ policy: "shared", high: KEY.high, low: KEY.low }],
    };
    desk.balances.recall(recall, desk.now);
    expect(desk.sent()).toMatchObject({ spent: 1, returned: 369, want: 0 });
    expect(desk.balance).toMatchObject({ left: 30, held: 30 });
    desk.balances.recall({ ...recall, holder: { member: "a", incarnation: 2 } }, desk.now);
    expect(desk.balance.isRecalled).toBe(false);
  });

  it("answers a recall of a key that it knows nothing of", () => {
    const desk = new Desk();
    const rows = [{ policy: "shared", high: KEY.high, low: KEY.low }];
    desk.balances.recall({ shard: KEY.shard, holder: US, rows }, desk.now);
    expect(desk.sent()).toMatchObject({ session: { epoch: 0, birth: 0 }, spent: 0, returned: 0, want: 0 });
  });
});

describe("the lease of a balance", () => {
  it("ends 1.5 s after the asking, however late the answer came", () => {
    const desk = new Desk();
    desk.reserve(1);
    const asked = desk.sent();
    desk.nowUs += 700_000;
    desk.answer(asked, { granted: 100 });
    for (const reservation of desk.balance.reservations) desk.balances.release(reservation);
    desk.nowUs += 799_999;
    expect(desk.look(1)).toBe("covered");
    desk.nowUs += 1;
    expect(desk.look(1)).toBe("missing");
    expect(desk.sent()).toMatchObject({ returned: 100 });
    expect(desk.balances.tally.expired).toBe(100);
  });

  it("ends before the home could be another", () => {
    const desk = new Desk();
    desk.borrow(1, 400, { validUs: 200_000 });
    desk.nowUs += 199_999;
    expect(desk.look(1)).toBe("covered");
    desk.nowUs += 1;
    expect(desk.look(1)).toBe("missing");
  });

  it("goes on with every report that is answered, and with none that is not", () => {
    const desk = new Desk();
    desk.borrow(1, 400);
    desk.settle();
    for (let ms = 0; ms < 5_000; ms += 100) {
      expect(desk.check(1)).toBe("covered");
      for (const [, row] of desk.pass(100_000)) desk.answer(row);
    }
    let ms = 0;
    for (; ms < 5_000 && desk.check(1) === "covered"; ms += 10) desk.pass(10_000);
    expect(ms).toBeGreaterThanOrEqual(1_000);
    expect(ms).toBeLessThanOrEqual(1_500);
  });

  it("is over, and that of what is on its way, when the process was not sure of its own", () => {
    const desk = new Desk();
    desk.borrow(1, 400);
    desk.settle();
    desk.reserve(500);
    const asked = desk.sent();
    desk.balances.lapse();
    expect(desk.look(1)).toBe("missing");
    desk.answer(asked, { granted: 900 });
    expect(desk.balance.left).toBe(0);
    expect(desk.sent()).toMatchObject({ spent: 1, returned: 899, least: 500 });
  });
});

describe("a message", () => {
  it("is sent again under its id until it is answered, ever more rarely", () => {
    const desk = new Desk();
    desk.reserve(1);
    const asked = desk.sent();
    for (const reservation of desk.balance.reservations) desk.balances.release(reservation);
    const again = desk.pass(5_000_000);
    expect(again.map(([us]) => us)).toEqual([
      50_000, 150_000, 350_000, 750_000, 1_550_000, 2_550_000, 3_550_000, 4_550_000,
    ]);
    for (const [, row] of again) expect(row).toBe(asked);
  });

  it("is sent again at once when another check arrives, but not within 50 ms", () => {
    const desk = new Desk();
    desk.reserve(1);
    const asked = desk.sent();
    desk.pass(1_600_000);
    desk.nowUs += 30_000;
    desk.reserve(1);
    expect(desk.sent()).toBe(asked);
    desk.nowUs += 49_999;
    desk.reserve(1);
    expect(desk.sent()).toBeUndefined();
  });

  it("counts by its own answer alone", () => {
    const desk = new Desk();
    desk.reserve(1);
    const first = desk.sent();
    desk.answer(first, { granted: 10 });
    desk.answer(first, { granted: 10 });
    expect(desk.balance.left).toBe(10);
    desk.reserve(20);
    const second = desk.sent();
    desk.answer(first, { granted: 5_000 });
    desk.answer({ ...(second as BorrowRow), id: 999 }, { granted: 5_000 });
    expect(desk.balance.left).toBe(10);
    expect(desk.balances.tally.late).toBe(3);
    const other = { member: "a", incarnation: 2 };
    desk.balances.answer({ shard: 4, holder: other, rows: [] }, desk.now);
    desk.answer(second, { granted: 30 });
    expect(desk.balance.left).toBe(30);
  });

  it("of another session zeroes everything, and what was held has to be found again", () => {
    const desk = new Desk();
    desk.borrow(3, 400);
    desk.settle();
    const held = desk.reserve(300);
    desk.reserve(200);
    desk.answer(desk.sent(), { granted: 50, session: { epoch: 51, birth: 1 } });
    expect(desk.balance).toMatchObject({ granted: 50, spent: 0, returned: 0, left: 50, held: 0 });
    expect(held.state).toBe("queued");
    expect(desk.sent()).toMatchObject({ session: { epoch: 51, birth: 1 }, spent: 0, least: 250, need: 450 });
  });

  it("is given up after 10 s, and those who waited are told", () => {
    const desk = new Desk();
    desk.balances.owe(desk.balance, 5, desk.now);
    const waiting = desk.reserve(1);
    desk.sent();
    desk.pass(11_000_000);
    expect(waiting.state).toBe("ended");
    expect(desk.balances.takeSettled()).toEqual([waiting]);
    expect(desk.balances.tally).toMatchObject({ rows: 0, givenUp: 1, owedLost: 5 });
  });
});

describe("a refusal", () => {
  it("is repeated for the home's wait, 50 ms at most, to whoever asks for as much", () => {
    const desk = new Desk();
    const small = desk.reserve(1);
    const large = desk.reserve(10);
    desk.answer(desk.sent(), { status: "refused", deniedCost: 5, retryAfterUs: 70_000, remaining: 4 });
    expect([small.state, large.state]).toEqual(["queued", "refused"]);
    expect(desk.balance.queued).toBe(1);
    for (const reservation of desk.balance.reservations) desk.balances.release(reservation);
    expect([desk.look(4), desk.look(5)]).toEqual(["missing", "refused"]);
    expect(desk.verdict).toMatchObject({ outcome: "denied", retryAfterUs: 70_000, remaining: 4 });
    desk.nowUs += 49_999;
    expect(desk.look(5)).toBe("refused");
    expect(desk.verdict.retryAfterUs).toBe(20_001);
    desk.nowUs += 1;
    expect(desk.look(5)).toBe("missing");
  });

  it("for less than 50 ms is believed for as long as it says", () => {
    const desk = new Desk();
    desk.reserve(10);
    desk.answer(desk.sent(), { status: "refused", deniedCost: 10, retryAfterUs: 7_000 });
    desk.nowUs += 6_999;
    expect(desk.look(10)).toBe("refused");
    desk.nowUs += 1;
    expect(desk.look(10)).toBe("missing");
  });

  it("of more than the key can ever hold needs no home", () => {
    const desk = new Desk({ limit: 10, burst: 20 });
    expect(desk.look(21)).toBe("refused");
    expect(desk.verdict).toMatchObject({ outcome: "unsatisfiable", retryAfterUs: Infinity });
    expect(desk.look(20)).toBe("missing");
    expect(desk.look(0)).toBe("covered");
    expect(desk.verdict.remaining).toBe(20);
  });
});

describe("checks that wait", () => {
  it("come before those that arrive later, as far as there is enough for them", () => {
    const desk = new Desk();
    desk.borrow(1, 11);
    const [first, large, last] = [desk.reserve(4), desk.reserve(20), desk.reserve(2)];
    expect([first, large, last].map((one) => one?.state)).toEqual(["held", "queued", "queued"]);
    expect(desk.look(1)).toBe("missing");
    desk.answer(desk.sent(), { granted: 11 });
    expect([first, large, last].map((one) => one?.state)).toEqual(["held", "queued", "held"]);
    expect(desk.balances.takeSettled()).toEqual([last]);
    desk.balances.resume(() => expect([desk.look(4), desk.look(5)]).toEqual(["covered", "missing"]));
    expect(desk.look(1)).toBe("missing");
  });

  it("leave nothing behind when they are released, twice or in any state", () => {
    const desk = new Desk();
    desk.borrow(1, 11);
    const all = [desk.reserve(4), desk.reserve(20), desk.reserve(2)];
    for (const reservation of [...all, ...all]) desk.balances.release(reservation);
    expect(desk.balance).toMatchObject({ held: 0, queued: 0, left: 10 });
    expect(desk.balance.reservations.size).toBe(0);
  });

  it("are told when the key's home is this process itself, and everything goes back", () => {
    const desk = new Desk();
    desk.borrow(1, 11);
    desk.settle();
    const waiting = [desk.reserve(4), desk.reserve(20)];
    desk.balances.retire(KEY.shard + 1);
    expect(waiting.map(({ state }) => state)).toEqual(["held", "queued"]);
    desk.balances.retire(KEY.shard);
    expect(waiting.map(({ state }) => state)).toEqual(["ended", "ended"]);
    expect(desk.balances.takeSettled()).toEqual(waiting);
    expect(desk.sent()).toMatchObject({ spent: 1, returned: 10, want: 0 });
    expect(desk.balance).toMatchObject({ held: 0, queued: 0, left: 0 });
  });
});

describe("usage without rights", () => {
  it("is owed until the home has confirmed it, over sessions, and counts on when a row is new", () => {
    const desk = new Desk();
    desk.balances.owe(desk.balance, 5, desk.now);
    const asked = desk.sent();
    expect(asked).toMatchObject({ owed: 105, owedFrom: 100 });
    desk.balances.owe(desk.balance, 2, desk.now);
    desk.answer(asked, { status: "full", session: { epoch: 0, birth: 0 } });
    const [[, again] = []] = desk.pass(30_000);
    expect(again).toMatchObject({ owed: 107, owedFrom: 100 });
    desk.answer(again, { session: { epoch: 60, birth: 1 } });
    expect(desk.pass(6_000_000)).toEqual([]);
    expect(desk.balances.tally.rows).toBe(0);
    desk.balances.owe(desk.balance, 1, desk.now);
    expect(desk.sent()).toMatchObject({ owed: 108, owedFrom: 107 });
  });
});

describe("balances", () => {
  it("are so many and no more", () => {
    const desk = new Desk({}, 2);
    for (const low of [1, 2]) expect(desk.balances.open({ ...KEY, low }, desk.now)).toBeDefined();
    expect(desk.balances.open({ ...KEY, low: 3 }, desk.now)).toBeUndefined();
    expect(desk.balances.open({ ...KEY, low: 2 }, desk.now)).toBeDefined();
  });

  it("travel in one message for each shard", () => {
    const desk = new Desk();
    for (const [shard, low] of [
      [1, 1],
      [1, 2],
      [2, 3],
    ] as const) {
      const balance = desk.balances.open({ ...KEY, shard, low }, desk.now);
      if (balance !== undefined) desk.balances.reserve(balance, 1, OWNER, desk.now);
    }
    const frames = desk.balances.takeMessages(desk.now);
    expect(frames.map(({ shard, holder, rows }) => [shard, holder, rows.map(({ low }) => low)])).toEqual([
      [1, US, [1, 2]],
      [2, US, [3]],
    ]);
    expect(desk.balances.takeMessages(desk.now)).toEqual([]);
  });

  it("follow their policy's name, and go with it", () => {
    const desk = new Desk();
    desk.borrow(1, 400);
    desk.settle();
    desk.balances.adopt(policies({ name: "first" }, {}));
    expect(desk.balances.find(1, KEY.high, KEY.low)?.left).toBe(399);
    expect(desk.balances.find(0, KEY.high, KEY.low)).toBeUndefined();
    desk.reserve(1);
    expect(() => desk.balances.adopt(policies())).toThrow("checks wait");
    for (const reservation of desk.balance.reservations) desk.balances.release(reservation);
    desk.balances.adopt(policies());
    expect(desk.balances.tally.rows).toBe(0);
    expect(desk.pass(1_000_000)).toEqual([]);
  });
});
