import { describe, expect, it } from "vitest";
import { RowShares } from "../../admission/row-shares.ts";
import { KeyQuota } from "../../algorithms/key-census.ts";

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
