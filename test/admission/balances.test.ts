import { describe, expect, it } from "vitest";
import type { GrantRow } from "../../admission/loan-messages.ts";
import { KeyQuota } from "../../algorithms/key-census.ts";
import { HOLDER, HolderDesk, OWNER, policiesShared, SHARED_KEY } from "./holder-desk.ts";

/**
 * Whether a refusal is doubtful.
 *
 * @param had units at hand when the home is asked
 * @param wish what it answers, `us` later
 */
function isDoubtful(had: number, wish: Partial<GrantRow> = {}, us = 0): boolean {
  const desk = new HolderDesk();
  desk.borrow(1, 1 + had);
  desk.nowUs += 1_400_000;
  const waiting = desk.reserve(9);
  const asked = desk.sent();
  desk.nowUs += us;
  desk.answer(asked, { status: "refused", deniedUnits: 5, retryAfterUs: 50_000, ...wish });
  desk.balances.release(waiting);
  expect(desk.look(9)).toBe("refused");
  return desk.balance.isDenialDoubtful;
}

describe("a refusal", () => {
  it("is repeated for the home's wait, 50 ms at most, to whoever asks for as much", () => {
    const desk = new HolderDesk();
    const small = desk.reserve(1);
    const large = desk.reserve(10);
    desk.answer(desk.sent(), { status: "refused", deniedUnits: 5, retryAfterUs: 70_000, remaining: 4 });
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

  it("is of the units missing here: who misses fewer asks anew, waiting or not", () => {
    const desk = new HolderDesk();
    desk.borrow(1, 4);
    const [large, small] = [desk.reserve(9), desk.reserve(7)];
    desk.answer(desk.sent(), { status: "refused", deniedUnits: 5, retryAfterUs: 50_000 });
    expect([large.state, small.state]).toEqual(["refused", "queued"]);
    for (const waiting of [large, small]) desk.balances.release(waiting);
    expect([4, 5, 7, 8].map((cost) => desk.look(cost))).toEqual(["missing", "missing", "missing", "refused"]);
  });

  it("for less than 50 ms is believed for as long as it says", () => {
    const desk = new HolderDesk();
    desk.reserve(10);
    desk.answer(desk.sent(), { status: "refused", deniedUnits: 10, retryAfterUs: 7_000 });
    desk.nowUs += 6_999;
    expect(desk.look(10)).toBe("refused");
    desk.nowUs += 1;
    expect(desk.look(10)).toBe("missing");
  });

  it("is doubtful while anybody has units of the key, and firm when nobody has", () => {
    expect(isDoubtful(0)).toBe(false);
    expect(isDoubtful(0, { beside: 1 })).toBe(true);
    expect(isDoubtful(3)).toBe(true);
    // Expired while the home was asked, which refused on top of them.
    expect(isDoubtful(3, { validUs: 0 }, 150_000)).toBe(true);
    const desk = new HolderDesk();
    const [waiting] = [desk.reserve(9), desk.reserve(1)];
    desk.answer(desk.sent(), { status: "refused", deniedUnits: 5, retryAfterUs: 50_000 });
    desk.balances.release(waiting);
    expect([desk.look(9), desk.balance.isDenialDoubtful]).toEqual(["refused", true]);
  });

  it("of more than the key can ever hold needs no home", () => {
    const desk = new HolderDesk({ limit: 10, burst: 20 });
    expect(desk.look(21)).toBe("refused");
    expect(desk.verdict).toMatchObject({ outcome: "unsatisfiable", retryAfterUs: Infinity });
    expect(desk.look(20)).toBe("missing");
    expect(desk.look(0)).toBe("covered");
    expect(desk.verdict.remaining).toBe(20);
  });
});

describe("checks that wait", () => {
  it("come before those that arrive later, as far as there is enough for them", () => {
    const desk = new HolderDesk();
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
    const desk = new HolderDesk();
    desk.borrow(1, 11);
    const all = [desk.reserve(4), desk.reserve(20), desk.reserve(2)];
    for (const reservation of [...all, ...all]) desk.balances.release(reservation);
    expect(desk.balance).toMatchObject({ held: 0, queued: 0, left: 10 });
    expect(desk.balance.reservations.size).toBe(0);
  });

  it("are told when the key's home is this process itself, and everything goes back", () => {
    const desk = new HolderDesk();
    desk.borrow(1, 11);
    desk.settle();
    const waiting = [desk.reserve(4), desk.reserve(20)];
    desk.balances.retire(SHARED_KEY.shard + 1);
    expect(waiting.map(({ state }) => state)).toEqual(["held", "queued"]);
    desk.balances.retire(SHARED_KEY.shard);
    expect(waiting.map(({ state }) => state)).toEqual(["ended", "ended"]);
    expect(desk.balances.takeSettled()).toEqual(waiting);
    expect(desk.sent()).toMatchObject({ spent: 1, returned: 10, want: 0 });
    expect(desk.balance).toMatchObject({ held: 0, queued: 0, left: 0 });
  });
});

describe("usage without rights", () => {
  it("is owed until the home has confirmed it, over sessions, and counts on when a row is new", () => {
    const desk = new HolderDesk();
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
    expect(desk.balances.tally).toMatchObject({ owed: 8, owedLost: 0 });
  });
});

describe("balances", () => {
  it("are so many and no more", () => {
    const desk = new HolderDesk({}, 2);
    for (const low of [1, 2]) expect(desk.balances.open({ ...SHARED_KEY, low }, desk.now)).toBeDefined();
    expect(desk.balances.open({ ...SHARED_KEY, low: 3 }, desk.now)).toBeUndefined();
    expect(desk.balances.open({ ...SHARED_KEY, low: 2 }, desk.now)).toBeDefined();
  });

  it("travel in one message for each shard", () => {
    const desk = new HolderDesk();
    for (const [shard, low] of [
      [1, 1],
      [1, 2],
      [2, 3],
    ] as const) {
      const balance = desk.balances.open({ ...SHARED_KEY, shard, low }, desk.now);
      if (balance !== undefined) desk.balances.reserve(balance, 1, OWNER, desk.now);
    }
    const frames = desk.balances.takeMessages(desk.now);
    expect(frames.map(({ shard, holder, rows }) => [shard, holder, rows.map(({ low }) => low)])).toEqual([
      [1, HOLDER, [1, 2]],
      [2, HOLDER, [3]],
    ]);
    expect(desk.balances.takeMessages(desk.now)).toEqual([]);
  });

  it("follow their policy's name, and go with it", () => {
    const desk = new HolderDesk();
    desk.borrow(1, 400);
    desk.settle();
    desk.balances.adopt(policiesShared({ name: "first" }, {}));
    expect(desk.balances.find(1, SHARED_KEY.high, SHARED_KEY.low)?.left).toBe(399);
    expect(desk.balances.find(0, SHARED_KEY.high, SHARED_KEY.low)).toBeUndefined();
    desk.reserve(1);
    expect(() => desk.balances.adopt(policiesShared())).toThrow("checks wait");
    for (const reservation of desk.balance.reservations) desk.balances.release(reservation);
    desk.balances.adopt(policiesShared());
    expect(desk.balances.tally.rows).toBe(0);
    expect(desk.pass(1_000_000)).toEqual([]);
  });
});

describe("many keys", () => {
  const [acme, globex] = [new KeyQuota(1, 5), new KeyQuota(2, 5)];

  it("of one tenant leave room for those of others, until they are forgotten", () => {
    const desk = new HolderDesk();
    const opened = Array.from({ length: 8 }, (_, n) => openOf(desk, 100 + n, acme) !== undefined);
    expect(opened.filter(Boolean)).toHaveLength(5);
    expect([openOf(desk, 100, acme), openOf(desk, 200, globex)]).not.toContain(undefined);
    desk.balances.takeMessages(desk.now);
    desk.nowUs += 5_000_000;
    desk.balances.tick(desk.now);
    desk.balances.takeMessages(desk.now);
    expect(desk.balances.tally.rows).toBe(0);
    expect(openOf(desk, 300, acme)).toBeDefined();
  });

  it("say whose they are when they are asked for", () => {
    const desk = new HolderDesk();
    const balance = openOf(desk, 100, acme);
    if (balance === undefined) throw new Error("no room");
    desk.balances.reserve(balance, 1, OWNER, desk.now);
    expect(desk.sent()).toMatchObject({ high: 100, quota: acme });
  });

  it("of a policy that is gone are given back", () => {
    const desk = new HolderDesk();
    for (let n = 0; n < 5; n += 1) openOf(desk, 10 + n, acme);
    desk.balances.adopt(policiesShared({ name: "other" }));
    expect(openOf(desk, 20, acme)).toBeDefined();
    expect(desk.balances.tally.rows).toBe(1);
  });
});

function openOf(desk: HolderDesk, high: number, quota: KeyQuota) {
  return desk.balances.open({ ...SHARED_KEY, high, quota }, desk.now);
}
