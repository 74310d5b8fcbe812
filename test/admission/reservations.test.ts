import { describe, expect, it } from "vitest";
import { micros } from "../../core/units.ts";
import { A, B, HomeDesk, KEY, policies, SHARD } from "./home-desk.ts";

function bounded(): HomeDesk {
  return new HomeDesk({ onCrash: "bounded" });
}

/** Of a limit of 1,000 a crash is charged 50 units, and 25 of them may be lent. */
describe("what a single check lacks beyond what may be lent without the journal", () => {
  it("is lent, and what goes beyond is reserved before the grant is told", () => {
    const desk = bounded();
    expect(desk.book.hasReserved).toBe(false);
    expect(desk.ask(A, { id: 1, least: 100, need: 100 })).toMatchObject({ granted: 100 });
    expect(desk.reservations).toEqual(["75, 75 more"]);
    expect(desk.book.reservedOf(0, KEY.high, KEY.low)).toBe(75);
    expect(desk.book.reservedKeys(SHARD)).toMatchObject([{ high: KEY.high, low: KEY.low, policyIndex: 0 }]);
    expect(desk.book.reservedKeys(SHARD + 1)).toEqual([]);
    expect(desk.book.reservedOf(0, KEY.high + 1, KEY.low)).toBe(0);
    expect(desk.ask(B, { id: 1, least: 2, need: 9, want: 9 })).toMatchObject({ granted: 2 });
    expect(desk.reservations).toEqual(["75, 75 more", "77, 2 more"]);
  });

  it("is told again whenever it is answered again", () => {
    const desk = bounded();
    desk.ask(A, { id: 1, least: 100, need: 100 });
    desk.ask(A, { id: 1, least: 100, need: 100 });
    expect(desk.reservations).toEqual(["75, 75 more", "75, 0 more"]);
  });

  it("is reserved no more once it is spent or given back", () => {
    const desk = bounded();
    const grant = desk.ask(A, { id: 1, least: 100, need: 100 });
    desk.report(A, grant, { id: 2, spent: 30, returned: 20 });
    desk.report(A, grant, { id: 3, spent: 31, returned: 50 });
    desk.report(A, grant, { id: 4, spent: 31, returned: 69 });
    expect(desk.reservations).toEqual(["75, 75 more", "25, less", "0, less"]);
    expect([desk.charged, desk.lent, desk.book.reservedOf(0, KEY.high, KEY.low)]).toEqual([31, 0, 0]);
  });

  it("tells of the difference alone when one ends and the next begins in one message", () => {
    const desk = bounded();
    const grant = desk.ask(A, { id: 1, least: 100, need: 100 });
    desk.report(A, grant, { id: 2, spent: 100, least: 60, need: 60 });
    const last = desk.report(A, grant, { id: 3, spent: 160, least: 80, need: 80 });
    expect(last).toMatchObject({ granted: 240 });
    expect(desk.reservations).toEqual(["75, 75 more", "35, 0 more", "35, less", "55, 20 more"]);
  });

  it.each<[string, (desk: HomeDesk) => void]>([
    ["its holder has forgotten it", (desk) => desk.ask(A, { id: 2 })],
    ["its holder is dead", (desk) => desk.book.holderDead(A, micros(desk.nowUs))],
    ["its holder is not heard any more", (desk) => desk.pass(5_100_000)],
    ["its home leaves in order", (desk) => desk.book.forfeitShard(SHARD, micros(desk.nowUs))],
  ])("is charged and reserved no more when %s", (_, happen) => {
    const desk = bounded();
    desk.ask(A, { id: 1, least: 100, need: 100 });
    happen(desk);
    expect([desk.charged, desk.lent, desk.book.reservedKeys(SHARD)]).toEqual([100, 0, []]);
    expect(desk.reservations.at(-1)).toBe("0, less");
  });

  it("is still reserved at the next owner of its shard, and more of it under a lower limit", () => {
    const desk = bounded();
    desk.ask(A, { id: 1, least: 100, need: 100 });
    const bytes = desk.book.exportShard(SHARD);
    desk.book = desk.newBook(policies({ onCrash: "bounded" }));
    desk.book.importShard(SHARD, bytes, micros(desk.nowUs), micros(desk.nowUs));
    expect(desk.book.reservedOf(0, KEY.high, KEY.low)).toBe(75);
    desk.book.adopt(policies({ name: "first" }, { onCrash: "bounded", limit: 200 }));
    expect(desk.book.reservedOf(1, KEY.high, KEY.low)).toBe(95);
    desk.book.adopt(policies({ onCrash: "fresh" }));
    expect(desk.book.reservedKeys(SHARD)).toEqual([]);
  });
});
