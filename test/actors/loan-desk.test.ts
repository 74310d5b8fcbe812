import { describe, expect, it } from "vitest";
import { encodeBorrow } from "../../admission/loan-messages.ts";
import { micros, US_PER_MS } from "../../core/units.ts";
import {
  BIG_ORG_OF_ACME,
  KEY,
  leftOf,
  lend,
  ORG,
  ORG_PLACE,
  PER_KEY,
  region,
  scene,
  TICKS_US,
  writeJournal,
} from "./lending-scene.ts";

describe("a home that lends", () => {
  it("keeps what it has lent of a journalled key within what a crash costs anyway", () => {
    const { all, home } = scene([PER_KEY, BIG_ORG_OF_ACME], (shard) => shard === ORG);
    // u is 50, half of it for what is lent.
    for (let i = 0; i < 60; i += 1) {
      all.askJson("check", "acme", `k${i}`, { tokens: 1 });
      all.pass(5 * US_PER_MS);
      expect(all.usedOf("org", "acme", "", "").lent).toBeLessThanOrEqual(25);
      if (i % 10 === 0) writeJournal(home, ORG);
    }
    expect(home.lending.book.tally.granted).toBeGreaterThan(25);
  });

  it("lends a single check more than that once the journal has a reservation of it, and ends it by itself", () => {
    const { all, home } = scene([PER_KEY.replace("100", "1000"), BIG_ORG_OF_ACME], (shard) => shard === ORG);
    const asked = all.askJson("check", "acme", KEY, { tokens: 200 }, 0);
    all.pass(100 * US_PER_MS);
    expect(all.answers.has(asked)).toBe(false);
    // Asked for again meanwhile, and granted once.
    expect(all.usedOf("org", "acme", "", "")).toEqual({ used: 0, lent: 200 });
    expect(writeJournal(home, ORG)).toEqual({ used: 0, reserved: 175 });
    all.pass(TICKS_US);
    expect(all.json(asked)).toMatchObject({ allowed: true });
    // Lent in advance by now, as always.
    expect(all.usedOf("org", "acme", "", "")).toEqual({ used: 200, lent: 25 });
    expect(writeJournal(home, ORG)).toEqual({ used: 200, reserved: 0 });
  });

  it("lends what a check lacks although its holder has something at hand", () => {
    const { all, holder } = region(PER_KEY.replace("100", "1000"), BIG_ORG_OF_ACME);
    lend(all, 5);
    const left = leftOf(holder);
    expect(left).toBeGreaterThan(0);
    const asked = all.askJson("check", "acme", KEY, { tokens: 200 + left }, 0);
    all.pass(TICKS_US);
    expect(all.json(asked)).toMatchObject({ allowed: true });
  });

  it("lends nothing to a holder that has had an answer of a later owner, and says so", () => {
    const { all, holder, home } = region(PER_KEY, BIG_ORG_OF_ACME);
    lend(all, 5);
    const before = all.usedOf("org", "acme", "", "");
    expect(before.lent).toBeGreaterThan(0);
    const { admission } = home.actor;
    admission.describe("acme", "", "");
    const [high, low] = [admission.highOf(ORG_PLACE), admission.lowOf(ORG_PLACE)];
    const tally = structuredClone(home.lending.book.tally);
    const row = {
      policy: "org",
      high,
      low,
      session: { epoch: 8, birth: 1 },
      spent: 0,
      returned: 0,
      owed: 0,
      owedFrom: 0,
    };
    const payload = encodeBorrow({
      shard: ORG,
      holder: { member: holder.name, incarnation: 1 },
      rows: [{ ...row, id: Number.MAX_SAFE_INTEGER, least: 1, need: 1, want: 1 }],
    });
    home.step({ kind: "borrow", payload, via: ORG, replyTo: "" });
    expect(all.usedOf("org", "acme", "", "")).toEqual(before);
    expect(home.lending.book.tally).toEqual(tally);
    expect(home.observe().errors).toEqual({ PARL_NOT_OWNER: 1 });
  });

  it("is charged for all that is lent when it leaves in order", () => {
    const { all, home } = scene([PER_KEY, BIG_ORG_OF_ACME], (shard) => shard === ORG);
    lend(all, 5);
    const { used: before, lent } = all.usedOf("org", "acme", "", "");
    expect(lent).toBeGreaterThan(0);
    home.actor.owned.leave(ORG, micros(all.time.nowUs));
    expect(home.actor.admission.holds).toEqual([]);
    home.actor.owned.thaw(ORG);
    expect(all.usedOf("org", "acme", "", "")).toEqual({ used: before + lent, lent: 0 });
  });

  it("charges what a dead member was lent although its shard is on its way out and comes back", () => {
    const { all, holder, home } = region(PER_KEY, BIG_ORG_OF_ACME);
    lend(all, 5);
    const { used: before, lent } = all.usedOf("org", "acme", "", "");
    expect(lent).toBeGreaterThan(0);
    holder.isSilent = true;
    home.actor.owned.freeze(ORG);
    home.step({ kind: "member-dead", member: holder.name, incarnation: 1 });
    home.actor.owned.thaw(ORG);
    expect(all.usedOf("org", "acme", "", "")).toEqual({ used: before + lent, lent: 0 });
  });
});
