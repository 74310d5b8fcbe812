import { describe, expect, it } from "vitest";
import { micros, US_PER_S } from "../../core/units.ts";
import { A, B, HomeDesk, KEY, NONE, policies, SHARD } from "./home-desk.ts";

describe("a loan book", () => {
  it("lends what checks wait for as long as there is any, and counts it as charged", () => {
    const desk = new HomeDesk();
    expect(desk.ask(A, { id: 1, least: 3, need: 700 })).toMatchObject({
      status: "granted",
      granted: 700,
      remaining: 300,
      limit: 1_000,
      deniedUnits: 0,
      session: { epoch: 50, birth: 1 },
      validUs: 1_900_000,
    });
    expect(desk.ask(B, { id: 1, least: 3, need: 700 })).toMatchObject({ granted: 300, deniedUnits: 1 });
    expect([desk.lent, desk.remaining, desk.charged]).toEqual([1_000, 1_000, 0]);
  });

  it("has no more lent in all than a crash may cost, but for what a check lacks", () => {
    const desk = new HomeDesk({ onCrash: "bounded" });
    expect(desk.ask(A, { id: 1, need: 20 })).toMatchObject({ granted: 20 });
    expect(desk.ask(B, { id: 1, need: 20 })).toMatchObject({ granted: 5 });
    expect(desk.lent).toBe(25);
    const other = { member: "c", incarnation: 3 };
    expect(desk.ask(other, { id: 1, need: 0, want: 9 })).toMatchObject({ granted: 0, deniedUnits: 0 });
    expect(desk.ask(other, { id: 2, least: 3, need: 8, want: 20 })).toMatchObject({ granted: 3 });
    const fresh = new HomeDesk({ onCrash: "bounded" });
    expect(fresh.ask(A, { id: 1, least: 100, need: 100 })).toMatchObject({ granted: 100 });
  });

  it("lends on a guess at most 1/(2n) of what is left", () => {
    const desk = new HomeDesk();
    expect(desk.ask(A, { id: 1, need: 1, want: 600 })).toMatchObject({ granted: 250 });
    expect(desk.ask(B, { id: 1, need: 0, want: 20 })).toMatchObject({ granted: 20, status: "granted" });
    expect(desk.ask(B, { id: 2, session: { epoch: 50, birth: 2 }, need: 400, want: 500 })?.granted).toBe(420);
  });

  it("lends exactly what is needed below 50 units of limit per member", () => {
    const desk = new HomeDesk({ limit: 99 });
    expect(desk.ask(A, { id: 1, need: 2, want: 40 })?.granted).toBe(2);
    const bursty = new HomeDesk({ algorithm: "gcra", limit: 5_000, burst: 99 });
    expect(bursty.ask(A, { id: 1, need: 2, want: 40 })?.granted).toBe(2);
  });

  it("refuses what does not fit, and says exactly when it may", () => {
    const desk = new HomeDesk({ algorithm: "gcra", limit: 100, windowUs: micros(US_PER_S) });
    desk.ask(A, { id: 1, need: 98 });
    desk.pending.add(0, KEY.high, KEY.low, 1);
    desk.limiter.charge(KEY.high, KEY.low, 1, micros(desk.nowUs));
    expect(desk.ask(B, { id: 1, least: 1, need: 5 })).toMatchObject({
      status: "refused",
      granted: 0,
      remaining: 0,
      deniedUnits: 1,
      retryAfterUs: 10_000,
    });
    desk.nowUs += 10_000;
    expect(desk.ask(B, { id: 2, session: { epoch: 50, birth: 2 }, need: 1 })?.granted).toBe(1);
  });

  it("answers the same message with the same grant, and an older one with nothing", () => {
    const desk = new HomeDesk();
    const first = desk.ask(A, { id: 7, need: 10 });
    expect(desk.ask(A, { id: 7, need: 10 })).toEqual(first);
    expect(desk.ask(A, { id: 6, need: 10 })).toBeUndefined();
    expect(desk.lent).toBe(10);
    expect(desk.book.tally).toMatchObject({ stale: 1, granted: 10 });
  });

  it("charges what was spent once, and lends less by what was spent or returned", () => {
    const desk = new HomeDesk();
    const grant = desk.ask(A, { id: 1, need: 10 });
    const said = { spent: 4, returned: 3 };
    expect(desk.report(A, grant, { id: 2, ...said })?.granted).toBe(10);
    desk.report(A, grant, { id: 2, ...said });
    desk.report(A, grant, { id: 3, ...said });
    expect([desk.lent, desk.charged, desk.remaining]).toEqual([3, 4, 996]);
    desk.report(A, grant, { id: 4, spent: 2, returned: 1 });
    expect([desk.lent, desk.charged]).toEqual([3, 4]);
  });

  it("counts what is lent now, and what became of the rest", () => {
    const desk = new HomeDesk();
    const grant = desk.ask(A, { id: 1, need: 100 });
    desk.ask(B, { id: 1, need: 50 });
    expect(desk.book.tally).toMatchObject({ units: 150, granted: 150, spent: 0, returned: 0 });
    desk.report(A, grant, { id: 2, spent: 30, returned: 20 });
    desk.report(A, grant, { id: 3, spent: 35, returned: 20 });
    desk.book.holderDead(B, micros(desk.nowUs));
    expect(desk.book.tally).toMatchObject({ units: 45, spent: 35, returned: 20, forfeited: 50 });
    // Gone with their shard: lent by somebody else from now on.
    desk.book.dropShard(SHARD);
    expect(desk.book.tally).toMatchObject({ units: 0, forfeited: 50, gone: 45 });
  });

  it("tells what others have of the key, when it refuses", () => {
    const desk = new HomeDesk();
    expect(desk.ask(A, { id: 1, need: 900 })).toMatchObject({ beside: 0 });
    desk.pending.add(0, KEY.high, KEY.low, 7);
    expect(desk.ask(B, { id: 1, need: 200, least: 200 })).toMatchObject({ status: "refused", beside: 907 });
    expect(desk.ask(A, { id: 2, need: 200, least: 200 })).toMatchObject({ status: "refused", beside: 7 });
  });

  it("never lends less than nothing, whatever a holder claims", () => {
    const desk = new HomeDesk();
    const grant = desk.ask(A, { id: 1, need: 10 });
    desk.report(A, grant, { id: 2, spent: 25, returned: 1_000 });
    expect([desk.lent, desk.charged]).toEqual([0, 25]);
    expect(desk.report(A, grant, { id: 3, spent: 25, returned: 1_000, need: 5 })?.granted).toBe(15);
    expect(desk.lent).toBe(5);
  });

  it("charges what was lent to a holder that has forgotten it, and starts another session", () => {
    const desk = new HomeDesk();
    desk.ask(A, { id: 1, need: 10 });
    expect(desk.ask(A, { id: 2, need: 1 })).toMatchObject({ granted: 1, session: { epoch: 50, birth: 2 } });
    expect([desk.lent, desk.charged]).toEqual([1, 10]);
  });

  it("charges what a dead holder was lent, and does not hear it any more", () => {
    const desk = new HomeDesk();
    desk.ask(A, { id: 1, need: 10 });
    desk.ask(B, { id: 1, need: 5 });
    desk.book.holderDead(A, micros(desk.nowUs));
    expect([desk.lent, desk.charged, desk.book.tally.rows]).toEqual([5, 10, 1]);
    expect(desk.ask(A, { id: 2, need: 1 })).toBeUndefined();
    expect(desk.ask({ member: "a", incarnation: 3 }, { id: 1, need: 1 })?.granted).toBe(1);
  });

  it("asks after a holder not heard for 2.5 s, and forfeits what it has after 5 s", () => {
    const desk = new HomeDesk();
    desk.ask(A, { id: 1, need: 10 });
    expect(desk.pass(2_490_000)).toEqual([]);
    expect(desk.pass(2_490_000)).toEqual(["a", "a", "a", "a", "a"]);
    expect([desk.lent, desk.charged]).toEqual([10, 0]);
    expect(desk.pass(30_000)).toEqual([]);
    expect([desk.lent, desk.charged, desk.book.tally.rows]).toEqual([0, 10, 0]);
  });

  it("forgets a row that has had nothing for 10 s", () => {
    const desk = new HomeDesk();
    const grant = desk.ask(A, { id: 1, need: 10 });
    desk.report(A, grant, { id: 2, returned: 10 });
    desk.pass(9_980_000);
    expect(desk.book.tally.rows).toBe(1);
    desk.pass(30_000);
    expect([desk.book.tally.rows, desk.charged]).toEqual([0, 0]);
    // A late report of what is long settled opens nothing; a late request is another session's.
    expect(desk.report(A, grant, { id: 3, returned: 10 })?.session).toEqual(NONE);
    expect(desk.report(A, grant, { id: 4, returned: 10, need: 2 })).toMatchObject({ granted: 2 });
    expect(desk.charged).toBe(0);
  });

  it("recalls when somebody was refused while others hold units, once in 20 ms", () => {
    const desk = new HomeDesk();
    desk.ask(A, { id: 1, need: 1_000 });
    expect(desk.pass(10_000)).toEqual([]);
    for (let i = 1; i <= 5; i += 1) {
      desk.ask(B, { id: i, need: 1 });
      desk.book.wantRecall(0, KEY.high, KEY.low);
    }
    expect(desk.pass(10_000)).toEqual(["a"]);
    desk.book.wantRecall(0, KEY.high, KEY.low);
    expect(desk.pass(10_000)).toEqual([]);
    expect(desk.pass(10_000)).toEqual(["a"]);
    expect(desk.pass(100_000)).toEqual([]);
  });

  it("does not recall from the one that was refused", () => {
    const desk = new HomeDesk();
    const grant = desk.ask(A, { id: 1, need: 1_000 });
    desk.report(A, grant, { id: 2, need: 1 });
    expect(desk.pass(50_000)).toEqual([]);
  });

  it("keeps so many rows and no more, and charges nothing to one it cannot keep", () => {
    const desk = new HomeDesk({}, 1);
    desk.ask(A, { id: 1, need: 1 });
    expect(desk.ask(B, { id: 1, need: 1, owed: 5 })).toMatchObject({
      status: "full",
      granted: 0,
      deniedUnits: 1,
      session: NONE,
    });
    expect(desk.book.tally).toMatchObject({ rows: 1, full: 1 });
    expect(desk.charged).toBe(0);
  });

  it("says so when it knows no such policy, and nothing of a shard that is not open", () => {
    const desk = new HomeDesk();
    expect(desk.ask(A, { id: 1, policy: "other", need: 1 })).toMatchObject({ status: "unknown", granted: 0 });
    desk.isOpen = false;
    expect(desk.ask(A, { id: 1, need: 1 })).toBeUndefined();
  });

  it("answers nobody once its own lease is over", () => {
    const desk = new HomeDesk();
    desk.leaseLeftUs = 0;
    expect(desk.ask(A, { id: 1, need: 1 })).toBeUndefined();
    expect(desk.book.tally.rows).toBe(0);
  });

  it("charges usage without rights once, over sessions and repeats", () => {
    const desk = new HomeDesk();
    desk.ask(A, { id: 1, owed: 105, owedFrom: 100 });
    desk.ask(A, { id: 1, owed: 105, owedFrom: 100 });
    desk.ask(A, { id: 2, owed: 107, owedFrom: 100 });
    expect(desk.charged).toBe(7);
    desk.ask(A, { id: 3, owed: 108, owedFrom: 107, session: { epoch: 9, birth: 9 } });
    expect(desk.charged).toBe(8);
  });

  it("tells a leaky queue's delay, and lends nothing of it on a guess", () => {
    const desk = new HomeDesk({ algorithm: "leaky-queue", limit: 1_000, windowUs: micros(US_PER_S) });
    desk.limiter.charge(KEY.high, KEY.low, 10, micros(desk.nowUs));
    expect(desk.ask(A, { id: 1, need: 5, want: 100 })).toMatchObject({ granted: 5, delayUs: 10_000 });
    expect(desk.ask(B, { id: 1, need: 1 })).toMatchObject({ delayUs: 15_000 });
  });
});

describe("rows of a shard that is handed over", () => {
  it("go on in the same session, repeats and all", () => {
    const desk = new HomeDesk();
    const grant = desk.ask(A, { id: 5, need: 10, owed: 3 });
    desk.report(A, grant, { id: 6, spent: 2, returned: 1, owed: 3, need: 4 });
    const bytes = desk.book.exportShard(SHARD);
    desk.book = desk.newBook(policies({}));
    desk.book.importShard(SHARD, bytes, micros(desk.nowUs), micros(desk.nowUs));
    expect([desk.lent, desk.charged, desk.book.tally.rows]).toEqual([11, 5, 1]);
    expect(desk.report(A, grant, { id: 6, spent: 2, returned: 1, owed: 3, need: 4 })?.granted).toBe(14);
    expect(desk.report(A, grant, { id: 5, need: 10 })).toBeUndefined();
    expect(desk.report(A, grant, { id: 7, spent: 3, returned: 11, owed: 4 })).toMatchObject({
      granted: 14,
      session: grant?.session,
    });
    expect([desk.lent, desk.charged]).toEqual([0, 7]);
  });

  it("are not taken from another shard, and not twice", () => {
    const desk = new HomeDesk();
    desk.ask(A, { id: 1, need: 10 });
    expect(desk.book.exportShard(SHARD + 1)).toHaveLength(8);
    const bytes = desk.book.exportShard(SHARD);
    desk.book.importShard(SHARD, bytes, micros(desk.nowUs), micros(desk.nowUs));
    expect([desk.lent, desk.book.tally.rows]).toEqual([10, 1]);
    desk.book.dropShard(SHARD);
    expect([desk.lent, desk.book.tally.rows, desk.charged]).toEqual([0, 0, 0]);
  });

  it("are charged when their holder is known to be dead", () => {
    const desk = new HomeDesk();
    desk.ask(A, { id: 1, need: 10 });
    const bytes = desk.book.exportShard(SHARD);
    desk.book = desk.newBook(policies({}));
    desk.book.holderDead(A, micros(desk.nowUs));
    desk.book.importShard(SHARD, bytes, micros(desk.nowUs), micros(desk.nowUs));
    expect([desk.lent, desk.charged]).toEqual([0, 10]);
  });

  it("go by the policy's name when the next owner has them in another order", () => {
    const desk = new HomeDesk();
    desk.ask(A, { id: 1, need: 10 });
    const bytes = desk.book.exportShard(SHARD);
    desk.book = desk.newBook(policies({ name: "other" }, {}));
    desk.book.importShard(SHARD, bytes, micros(desk.nowUs), micros(desk.nowUs));
    expect(desk.book.lentOf(1, KEY.high, KEY.low)).toBe(10);
    expect(desk.lent).toBe(0);
  });
});

describe("other policies", () => {
  it("keep what is lent under the policy's name, and recall it when the limit is lower", () => {
    const desk = new HomeDesk();
    desk.ask(A, { id: 1, need: 10 });
    desk.book.adopt(policies({ name: "first" }, { limit: 1_000 }));
    expect(desk.book.lentOf(1, KEY.high, KEY.low)).toBe(10);
    expect(desk.pass(50_000)).toEqual([]);
    desk.book.adopt(policies({ limit: 999 }));
    expect(desk.lent).toBe(10);
    expect(desk.pass(50_000)).toEqual(["a"]);
  });

  it("without a policy, or with its name for another dimension, forget what was lent of it", () => {
    const desk = new HomeDesk();
    desk.ask(A, { id: 1, need: 10 });
    desk.book.adopt(policies({ dimension: "global" }));
    expect([desk.lent, desk.charged]).toEqual([0, 0]);
    expect(desk.book.tally).toMatchObject({ rows: 0, units: 0, gone: 10 });
    desk.book.holderDead(A, micros(desk.nowUs));
    expect(desk.charged).toBe(0);
  });
});
