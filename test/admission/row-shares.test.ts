import { describe, expect, it } from "vitest";
import { LoanBook } from "../../admission/loan-book.ts";
import type { LoanHome } from "../../admission/loan-home.ts";
import { NO_SESSION } from "../../admission/loan-messages.ts";
import { PendingCharges } from "../../admission/pending-charges.ts";
import type { Policy } from "../../admission/policy.ts";
import { RowShares } from "../../admission/row-shares.ts";
import { KeyQuota } from "../../algorithms/key-census.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { micros } from "../../core/units.ts";
import { NOW_US } from "../actors/lone-shard-actor.ts";
import { HOLDER, policiesShared } from "./holder-desk.ts";

const [ACME, GLOBEX, INITECH] = [1, 2, 3].map((tenant) => new KeyQuota(tenant, 5)) as [
  KeyQuota,
  KeyQuota,
  KeyQuota,
];

/** Takes rows while there are any; how many. */
function takeAll(shares: RowShares, quota: KeyQuota | undefined): number {
  let rows = 0;
  for (; shares.hasRoom(quota); rows += 1) shares.take(quota);
  return rows;
}

describe("RowShares", () => {
  it("give one tenant half, and the next as many of what is left, whoever came first", () => {
    const shares = new RowShares(1_000);
    expect([ACME, GLOBEX, INITECH, ACME].map((quota) => takeAll(shares, quota))).toEqual([500, 250, 125, 0]);
  });

  it("are exact: what was given back is there again, for anybody", () => {
    const shares = new RowShares(1_000);
    takeAll(shares, ACME);
    for (let i = 0; i < 500; i += 1) shares.give(ACME);
    expect(takeAll(shares, GLOBEX)).toBe(500);
    for (let i = 0; i < 500; i += 1) shares.give(GLOBEX);
    expect(takeAll(shares, ACME)).toBe(500);
  });

  it("are bound by the total alone where nobody knows whose a row is", () => {
    const shares = new RowShares(10);
    takeAll(shares, ACME);
    expect([takeAll(shares, undefined), takeAll(shares, GLOBEX)]).toEqual([5, 0]);
    shares.give(undefined);
    expect(takeAll(shares, GLOBEX)).toBe(1);
  });
});

it("keep rows of the loan book for others, however many keys of one tenant are asked for", () => {
  const policies = policiesShared({ onCrash: "fresh" });
  const limiter = new KeyedLimiter(createAlgorithm(policies.policies[0] as Policy));
  const home: LoanHome = { limiterOf: () => limiter, charge: () => {} };
  const book = new LoanBook({ home, policies, pending: new PendingCharges(), birthsFrom: 0, rowsMax: 10 });
  let nowUs = NOW_US;
  let id = 0;
  const statusOf = (quota: KeyQuota): string | undefined => {
    id += 1;
    const counters = { session: NO_SESSION, spent: 0, returned: 0, owed: 0, owedFrom: 0 };
    const asked = {
      policy: "shared",
      high: 100 + id,
      low: 0,
      id,
      quota,
      least: 1,
      need: 1,
      want: 1,
      ...counters,
    };
    const moment = { nowUs: micros(nowUs), monotonicUs: micros(nowUs), epoch: 1, leaseLeftUs: 1_900_000 };
    return book.borrow({ shard: 4, holder: HOLDER, rows: [asked] }, moment).rows[0]?.status;
  };
  const invented = Array.from({ length: 8 }, () => statusOf(ACME));
  expect(invented).toEqual([...Array<string>(5).fill("granted"), ...Array<string>(3).fill("full")]);
  expect(statusOf(GLOBEX)).toBe("granted");
  expect(book.tally).toMatchObject({ rows: 6, full: 3 });
  // A holder that was not heard for so long has lost what it had.
  for (const endUs = nowUs + 16_000_000; nowUs < endUs; nowUs += 10_000)
    book.tick(micros(nowUs), micros(nowUs));
  expect(book.tally.rows).toBe(0);
  expect([statusOf(ACME), statusOf(ACME)]).toEqual(["granted", "granted"]);
});
