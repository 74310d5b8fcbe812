import { describe, expect, it } from "vitest";
import type { BorrowRow } from "../../admission/loan-messages.ts";
import { HOLDER, HolderDesk, SESSION, SHARED_KEY } from "./holder-desk.ts";

describe("a balance", () => {
  it("is borrowed when a check waits, and spent without a word", () => {
    const desk = new HolderDesk();
    expect(desk.check(1)).toBe("missing");
    desk.reserve(1);
    const asked = desk.sent();
    expect(asked).toEqual({
      policy: "shared",
      high: SHARED_KEY.high,
      low: SHARED_KEY.low,
      id: 101,
      session: { epoch: 0, birth: 0 },
      spent: 0,
      returned: 0,
      owed: 100,
      owedFrom: 100,
      least: 1,
      need: 1,
      want: 1,
    });
    desk.answer(asked, { granted: 100 });
    desk.sent();
    for (let i = 0; i < 60; i += 1) expect(desk.check(1)).toBe("covered");
    expect(desk.sent()).toBeUndefined();
    expect(desk.verdict).toMatchObject({
      outcome: "allowed",
      limit: 1_000,
      remaining: 300 + 39,
      resetAfterUs: 80_000,
      retryAfterUs: 0,
    });
  });

  it("asks for what is missing, for the first that waits and for all", () => {
    const desk = new HolderDesk();
    desk.borrow(1, 5);
    desk.settle();
    for (const cost of [3, 7, 2]) desk.reserve(cost);
    expect(desk.sent()).toMatchObject({ session: SESSION, spent: 1, least: 6, need: 8 });
  });

  it("doubles with every grant, asks again at 30 %, and remembers what the home would lend", () => {
    const desk = new HolderDesk();
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
    const desk = new HolderDesk();
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
    // One asked for units: the others are no borrowing.
    expect(desk.balances.tally).toMatchObject({ asked: 5, reports: 4 });
  });

  it("is given back when idle for 1 s, and forgotten when there is nothing more to say", () => {
    const desk = new HolderDesk();
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
    const desk = new HolderDesk({ limit: 99 });
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
    const desk = new HolderDesk();
    desk.borrow(1, 400);
    desk.settle();
    desk.reserve(30);
    const recall = {
      shard: SHARED_KEY.shard,
      holder: HOLDER,
      rows: [{ policy: "shared", high: SHARED_KEY.high, low: SHARED_KEY.low }],
    };
    desk.balances.recall(recall, desk.now);
    expect(desk.sent()).toMatchObject({ spent: 1, returned: 369, want: 0 });
    expect(desk.balance).toMatchObject({ left: 30, held: 30 });
    desk.balances.recall({ ...recall, holder: { member: "a", incarnation: 2 } }, desk.now);
    expect(desk.balance.isRecalled).toBe(false);
  });

  it("answers a recall of a key that it knows nothing of", () => {
    const desk = new HolderDesk();
    const rows = [{ policy: "shared", high: SHARED_KEY.high, low: SHARED_KEY.low }];
    desk.balances.recall({ shard: SHARED_KEY.shard, holder: HOLDER, rows }, desk.now);
    expect(desk.sent()).toMatchObject({ session: { epoch: 0, birth: 0 }, spent: 0, returned: 0, want: 0 });
  });
});

describe("the lease of a balance", () => {
  it("ends 1.5 s after the asking, however late the answer came", () => {
    const desk = new HolderDesk();
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
    const desk = new HolderDesk();
    desk.borrow(1, 400, { validUs: 200_000 });
    desk.nowUs += 199_999;
    expect(desk.look(1)).toBe("covered");
    desk.nowUs += 1;
    expect(desk.look(1)).toBe("missing");
  });

  it("goes on with every report that is answered, and with none that is not", () => {
    const desk = new HolderDesk();
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
    const desk = new HolderDesk();
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
    const desk = new HolderDesk();
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
    const desk = new HolderDesk();
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
    const desk = new HolderDesk();
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
    const desk = new HolderDesk();
    desk.borrow(3, 400);
    desk.settle();
    const held = desk.reserve(300);
    desk.reserve(200);
    desk.answer(desk.sent(), { granted: 50, session: { epoch: 51, birth: 1 } });
    expect(desk.balance).toMatchObject({ granted: 50, spent: 0, returned: 0, left: 50, held: 0 });
    expect(held.state).toBe("queued");
    expect(desk.sent()).toMatchObject({ session: { epoch: 51, birth: 1 }, spent: 0, least: 250, need: 450 });
  });

  it("goes back within 20 ms when its process leaves, and is forgotten when its home has confirmed that", () => {
    const desk = new HolderDesk();
    desk.borrow(1, 400);
    desk.settle();
    desk.check(9);
    desk.balances.giveAllBack();
    const [[us, row]] = desk.pass(30_000) as [[number, BorrowRow]];
    expect([us, row.spent, row.returned, row.want]).toEqual([20_000, 10, 390, 0]);
    expect(desk.balances.isEmpty).toBe(false);
    desk.answer(row);
    expect(desk.sent()).toBeUndefined();
    expect(desk.balances.isEmpty).toBe(true);
  });

  it("is given up after 10 s, and those who waited are told", () => {
    const desk = new HolderDesk();
    desk.balances.owe(desk.balance, 5, desk.now);
    const waiting = desk.reserve(1);
    desk.sent();
    desk.pass(11_000_000);
    expect(waiting.state).toBe("ended");
    expect(desk.balances.takeSettled()).toEqual([waiting]);
    expect(desk.balances.tally).toMatchObject({ rows: 0, givenUp: 1, owedLost: 5 });
  });
});
